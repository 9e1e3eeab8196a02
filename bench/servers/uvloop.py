"""An echo server on asyncio with uvloop: "protocol" (callbacks) or "streams" (one coroutine a connection)."""
import asyncio
import sys

# This file must not be taken for the module of its own name.
sys.path.pop(0)
import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def serve(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    loop = asyncio.get_running_loop()
    if sys.argv[1] == "protocol":
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=511)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=511)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


uvloop.install()
asyncio.run(main())
