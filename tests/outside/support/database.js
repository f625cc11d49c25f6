// A throw-away PostgreSQL of one's own, and what an administrator does to it.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const SCRIPT = resolve(import.meta.dirname, '../../../scripts/postgres');
const run = promisify(execFile);

export async function startPostgres() {
  const folder = await mkdtemp(join(tmpdir(), 'stepgate-postgres-'));
  const stop = () => run(SCRIPT, ['stop', folder]);
  const started = run(SCRIPT, ['start', folder]);
  const { stdout } = await started.catch(async (why) => (await stop(), Promise.reject(why)));
  const url = new URL(stdout.trim());
  const sql = (...statements) => run('psql', ['-qtA', '-v', 'ON_ERROR_STOP=1', ...statements.flatMap((s) => ['-c', s]), url.href]);
  return {
    url,
    sql,
    stop,
    /** From now on whoever is not its superuser needs a password. */
    async askForPasswords() {
      const rules = join(folder, 'data/pg_hba.conf');
      const rest = await readFile(rules, 'utf8');
      await writeFile(rules, `host all ${url.username} all trust\nhost all all all scram-sha-256\n${rest}`);
      await sql('SELECT pg_reload_conf()');
    },
  };
}
