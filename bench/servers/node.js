// An echo server on Node's callbacks.
const net = require("net");
const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  client.on("data", (data) => {
    if (!client.write(data)) client.pause();
  });
  client.on("drain", () => client.resume());
  client.on("end", () => client.end());
  client.on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", 511, () => console.log(server.address().port));
