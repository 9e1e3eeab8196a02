// The same with postMessage between two of Node's workers: node_items.js COUNT. Half of 64 items are acknowledged at a
// time, so that as few are under way as in the other programs.
const { Worker, MessageChannel, workerData, isMainThread } = require("worker_threads");

const MOST = 64;

function send({ port, count }) {
  const item = "x".repeat(64);
  let sent = 0, acknowledged = 0;
  function more() {
    while (sent < count && sent - acknowledged < MOST) { port.postMessage(item); sent++; }
  }
  port.on("message", (n) => {
    acknowledged += n;
    if (acknowledged < count) more(); else port.close();
  });
  more();
}

function receive({ port, count }) {
  let received = 0, pending = 0;
  port.on("message", (item) => {
    received += item.length / 64;
    if (++pending < MOST / 2 && received < count) return;
    port.postMessage(pending);
    pending = 0;
  });
}

function main(count) {
  const { port1, port2 } = new MessageChannel();
  const start = (role, port) => new Worker(__filename, { workerData: { role, port, count }, transferList: [port] });
  const workers = [start("receive", port1), start("send", port2)];
  const cpu = process.cpuUsage(), started = process.hrtime.bigint();
  let left = workers.length;
  for (const worker of workers) {
    worker.on("exit", () => {
      if (--left > 0) return;
      const used = process.cpuUsage(cpu);
      console.log((used.user + used.system) / 1e6, Number(process.hrtime.bigint() - started) / 1e9);
    });
  }
}

if (isMainThread) main(Number(process.argv[2] || 100000));
else (workerData.role === "send" ? send : receive)(workerData);
