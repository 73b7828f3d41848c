// pg-boss behind JSON lines; its public interface alone (benches/README.md).
import { createInterface } from "node:readline";
import { performance } from "node:perf_hooks";
import { PgBoss } from "pg-boss";

const QUEUE = "bench";
let boss, payload;

// Runs `work` over so many callers, each one call after the other, until the time is over or a call gives nothing.
async function callers(count, seconds, work) {
  const began = performance.now();
  const ids = [];
  const caller = async () => {
    while (performance.now() - began < seconds * 1e3) {
      const some = await work();
      if (some.length === 0) return;
      for (const id of some) ids.push(id);
    }
  };
  await Promise.all(Array.from({ length: count }, caller));
  return { seconds: (performance.now() - began) / 1e3, ids };
}

const ops = {
  async setup({ url, tuned, payload: given }) {
    payload = given;
    const [user, rest] = url.slice("postgres://".length).split("@");
    const [host, database] = rest.split("/");
    boss = new PgBoss({ user, host: decodeURIComponent(host), database, max: tuned ? 34 : 10 });
    boss.on("error", (error) => console.error(error));
    await boss.start();
    await boss.createQueue(QUEUE);
    return {};
  },
  submit({ connections, batch, seconds }) {
    const many = Array.from({ length: batch }, () => ({ data: payload }));
    const one = async () => [await boss.send(QUEUE, payload)];
    const all = () => boss.insert(QUEUE, many, { returnId: true });
    return callers(connections, seconds, batch === 1 ? one : all);
  },
  drain({ connections, batch, seconds }) {
    return callers(connections, seconds, async () => {
      const ids = (await boss.fetch(QUEUE, { batchSize: batch })).map((job) => job.id);
      if (ids.length > 0) await boss.complete(QUEUE, ids);
      return ids;
    });
  },
  async left() {
    // Nothing else tells the number without a cache: what is left is fetched and counted.
    let left = 0;
    for (;;) {
      const some = await boss.fetch(QUEUE, { batchSize: 1000 });
      if (some.length === 0) return { left };
      left += some.length;
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const answer = await Promise.resolve(ops[question.op](question)).catch((error) => ({ error: String(error.stack) }));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
