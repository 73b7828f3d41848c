//! P1, P100, C1, C100: the writes of a queue straight into PostgreSQL, by `pgbench`.

use crate::{
    Failure,
    driver::{BODY, DRAIN, Done, Driver, Load, Parts, Processes},
    postgres::Postgres,
};
use futures::future::BoxFuture;
use std::{path::PathBuf, sync::Arc};

const SCHEMA: &str = "
    create table task (id bigint generated always as identity primary key, spec jsonb not null, finished bigint);
    create table ready (queue int, band int, usr int, rank bigint, id bigint, attempt int not null, primary key (queue, band, usr, rank, id))
        with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
    create table lease (id bigint primary key, attempt int not null, claim int not null)
        with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
    create table event (seq bigint generated always as identity primary key, task bigint not null, kind text not null);
    create index on event (task, seq);";

const DATABASE: &str = "pgbench";

pub(crate) struct Pgbench {
    postgres: Arc<Postgres>,
    dir: PathBuf,
    submitted: usize,
    drained: usize,
}

impl Pgbench {
    pub(crate) async fn open(postgres: Arc<Postgres>, dir: PathBuf) -> Result<Self, Failure> {
        std::fs::create_dir_all(&dir)?;
        postgres.database(DATABASE).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut postgres.connect(DATABASE).await?).await?;
        Ok(Self { postgres, dir, submitted: 0, drained: 0 })
    }

    /// Runs a script on so many clients; the transactions it made a second, and how many.
    fn run(&self, script: &str, args: &[String]) -> Result<(f64, usize), Failure> {
        let path = self.dir.join("script.sql");
        std::fs::write(&path, script)?;
        let output = self.postgres.pgbench(DATABASE).args(args).arg("-f").arg(path).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let after = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.trim().split([' ', '/']).next()?.parse::<f64>().ok());
        let counted = after("tps =").zip(after("number of transactions actually processed:"));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that pgbench printed")]
        match counted.filter(|_| output.status.success()) {
            Some((rate, count)) => Ok((rate, count as usize)),
            None => Err(format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    async fn count(&self, query: &'static str) -> Result<usize, Failure> {
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut self.postgres.connect(DATABASE).await?).await?;
        Ok(usize::try_from(count)?)
    }
}

impl Driver for Pgbench {
    fn name(&self) -> &'static str {
        DATABASE
    }

    fn submit(&mut self, load: Load) -> BoxFuture<'_, Result<Done, Failure>> {
        Box::pin(async move {
            // Every row crosses the wire: rows that the server makes by itself would flatter.
            let rows = vec![format!("('{BODY}')"); load.batch].join(",");
            let script = format!(
                "with t as (insert into task (spec) values {rows} returning id),
                 r as (insert into ready select 1, 1, 1, id, id, 0 from t)
                 insert into event (task, kind) select id, 'submitted' from t;\n"
            );
            let args = ["-c", &load.connections.min(32).to_string(), "-T", &load.time.as_secs().max(1).to_string()].map(str::to_owned);
            let (rate, count) = self.run(&script, &args)?;
            self.submitted += count * load.batch;
            Ok(done(rate, count, load.batch))
        })
    }

    fn drain(&mut self, load: Load) -> BoxFuture<'_, Result<Parts, Failure>> {
        Box::pin(async move {
            sqlx::raw_sql("analyze").execute(&mut self.postgres.connect(DATABASE).await?).await?;
            // pgbench cannot stop where nothing is left: it runs for its time on what is there.
            let ready = self.count("select count(*) from ready").await?;
            let clients = 8;
            let each = (ready / load.batch / clients).min(5_000 * usize::try_from(load.time.as_secs().max(1))? / load.batch.min(20));
            if each == 0 {
                return Ok(Parts::new());
            }
            let script = claim_and_ack(load.batch);
            let args = ["-c", &clients.to_string(), "-t", &each.to_string()].map(str::to_owned);
            let (rate, count) = self.run(&script, &args)?;
            self.drained += count * load.batch;
            Ok(vec![(DRAIN, done(rate, count, load.batch))])
        })
    }

    fn processes(&self) -> Processes {
        Processes { queue: Vec::new(), database: vec![self.postgres.pid()] }
    }

    fn verify(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let (all, ended) =
                (self.count("select count(*) from task").await?, self.count("select count(*) from task where finished is not null").await?);
            if (all, ended) == (self.submitted, self.drained) {
                return Ok(());
            }
            Err(format!("pgbench: {all} tasks and {ended} ended, not {} and {}", self.submitted, self.drained).into())
        })
    }
}

fn done(rate: f64, transactions: usize, batch: usize) -> Done {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    Done { tasks: transactions * batch, seconds: transactions as f64 / rate.max(1e-9) }
}

/// One transaction takes, another ends what it took.
fn claim_and_ack(batch: usize) -> String {
    format!(
        "with r as materialized (delete from ready where ctid = any(array(
             select ctid from ready where queue = 1 and band = 1 and usr = 1 order by rank, id limit {batch} for update skip locked))
             returning id, attempt),
         l as materialized (insert into lease select id, attempt + 1, 1 from r returning id),
         e as (insert into event (task, kind) select id, 'claimed' from l)
         select array_agg(id)::text as ids, length(string_agg(t.spec::text, '')) as bytes from l join task t using (id) \\gset\n\
         with l as materialized (delete from lease l using unnest((:ids)::bigint[]) a(i) where l.id = a.i and l.id = any((:ids)::bigint[])
             returning l.id),
         t as (update task set finished = 1 where id = any(array(select id from l)))
         insert into event (task, kind) select id, 'ended' from l;\n"
    )
}
