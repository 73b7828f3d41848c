// graphile-worker behind JSON lines; its public interface alone (benches/README.md).
import { createInterface } from "node:readline";
import { performance } from "node:perf_hooks";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

let pool, utils, payload, tuned;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const quiet = new Logger(() => () => {});

// Runs `work` over so many callers, each one call after the other, until the time is over.
async function callers(count, seconds, work) {
  const began = performance.now();
  const ids = [];
  const caller = async () => {
    while (performance.now() - began < seconds * 1e3) ids.push(...(await work()));
  };
  await Promise.all(Array.from({ length: count }, caller));
  return { seconds: (performance.now() - began) / 1e3, ids };
}

const ops = {
  async setup(question) {
    ({ payload, tuned } = question);
    // Its documents: the pool is at least the number of concurrent jobs and two.
    const [user, rest] = question.url.slice("postgres://".length).split("@");
    const [host, database] = rest.split("/");
    pool = new pg.Pool({ user, host: decodeURIComponent(host), database, max: tuned ? 34 : 10 });
    pool.on("error", (error) => console.error(error));
    pool.on("connect", (client) => client.on("error", (error) => console.error(error)));
    utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
    await utils.migrate();
    return {};
  },
  submit({ connections, batch, seconds }) {
    const many = Array.from({ length: batch }, () => ({ identifier: "bench", payload }));
    const one = async () => [(await utils.addJob("bench", payload)).id];
    const all = async () => (await utils.addJobs(many)).map((job) => job.id);
    return callers(connections, seconds, batch === 1 ? one : all);
  },
  async drain({ seconds }) {
    const began = performance.now();
    const ids = [];
    let last = began;
    const bench = async (_, { job }) => {
      ids.push(job.id);
      last = performance.now();
    };
    // As its document on performance sets them: many jobs at once from a local queue, completions together.
    const worker = tuned
      ? { concurrentJobs: 24, maxPoolSize: 34, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
      : {};
    const runner = await run({ pgPool: pool, taskList: { bench }, noHandleSignals: true, logger: quiet, preset: { worker } });
    while (performance.now() - began < seconds * 1e3 && performance.now() - last < 500) {
      await sleep(20);
    }
    await runner.stop();
    return { seconds: (last - began) / 1e3, ids };
  },
  // Submits in step to a worker that waits; from when each was due to its job's begin.
  async latency({ count, period }) {
    const times = [];
    const bench = async ({ due }) => void times.push(performance.now() - due);
    const worker = tuned ? { concurrentJobs: 24, maxPoolSize: 34 } : {};
    const runner = await run({ pgPool: pool, taskList: { bench }, noHandleSignals: true, logger: quiet, preset: { worker } });
    await sleep(1000);
    const began = performance.now();
    for (let nth = 0; nth < count; nth++) {
      const due = began + nth * period;
      await sleep(Math.max(0, due - performance.now()));
      await utils.addJob("bench", { ...payload, due });
    }
    for (let waited = 0; times.length < count && waited < 10_000; waited += 20) await sleep(20);
    await runner.stop();
    return { times };
  },
  async left() {
    const count = "select count(*)::int as left from graphile_worker.jobs";
    return utils.withPgClient(async (client) => (await client.query(count)).rows[0]);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const answer = await ops[question.op](question).catch((error) => ({ error: String(error.stack) }));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
