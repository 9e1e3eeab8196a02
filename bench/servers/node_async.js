// An echo server on Node with one asynchronous function a connection.
const net = require("net");
const { once } = require("events");

async function serve(client) {
  try {
    for await (const data of client) {
      if (!client.write(data)) await once(client, "drain");
    }
    client.end();
  } catch {
    client.destroy();
  }
}

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, serve);
server.listen(0, "127.0.0.1", 511, () => console.log(server.address().port));
