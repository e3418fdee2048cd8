// A gateway for one test: `mediacask serve` on a free port, over a store that is empty, with a clock that can be moved.
//
// `MEDIACASK` names the program, `MEDIACASK_NODE_MODULES` the directory that npm has filled with the SDKs: they are
// installed beside what is built, and not beside these files. The configuration is that of the Python tests.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';

// No proxy of this machine for requests to itself, and none of Twilio's own regions.
for (const name of ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY', 'TWILIO_EDGE', 'TWILIO_REGION']) {
  delete process.env[name];
}

// An SDK by its name.
export const sdk = createRequire(join(process.env.MEDIACASK_NODE_MODULES, 'none.cjs'));

const CONFIG = readFileSync(new URL('../gateway.toml', import.meta.url), 'utf8');

export class Gateway {
  // Starts one for a test and stops it after it.
  static async start(test) {
    const gateway = new Gateway();
    gateway.directory = mkdtempSync(join(tmpdir(), 'mediacask-sdk-'));
    gateway.aheadSecs = 0;
    gateway.forward(0);
    const config = join(gateway.directory, 'gateway.toml');
    writeFileSync(config, `listen = "127.0.0.1:0"\n${CONFIG}`);
    const at = ['--config', config, '--test-clock', join(gateway.directory, 'clock')];
    const log = createWriteStream(join(gateway.directory, 'log'));
    await once(log, 'open');
    const serve = ['--store', join(gateway.directory, 'store'), 'serve', ...at];
    gateway.process = spawn(process.env.MEDIACASK, serve, { stdio: ['ignore', 'pipe', log] });
    gateway.exited = once(gateway.process, 'exit');
    test.after(() => gateway.stop());
    const lines = createInterface({ input: gateway.process.stdout });
    const [line] = await Promise.race([once(lines, 'line'), gateway.exited.then(() => ['nothing'])]);
    assert.ok(line.startsWith('listening on '), `the gateway said ${line}`);
    // What it is called by the clients: http://127.0.0.1:PORT.
    gateway.url = line.slice('listening on '.length);
    return gateway;
  }

  // Moves its clock.
  forward(hours) {
    this.aheadSecs += Math.round(hours * 3600);
    // At once, since it may be read at any time.
    const clock = join(this.directory, 'clock');
    writeFileSync(`${clock}.new`, `${this.aheadSecs}`);
    renameSync(`${clock}.new`, clock);
  }

  // Sends one request on a connection of its own: a path or a URL of this gateway, exactly as it stands.
  async send(method, target, headers = {}, body = undefined) {
    const { hostname, port } = new URL(this.url);
    const path = target.startsWith(this.url) ? target.slice(this.url.length) : target;
    const sent = request({ hostname, port, method, path, headers, agent: false });
    sent.end(body);
    const [response] = await once(sent, 'response');
    return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
  }

  // Tells it to end, as an operator does; the store is closed clean.
  async stop() {
    this.process.kill('SIGTERM');
    const [code] = await this.exited;
    const log = readFileSync(join(this.directory, 'log'), 'utf8');
    rmSync(this.directory, { recursive: true });
    assert.equal(code, 0, `the gateway ended with ${code}: ${log}`);
  }
}

// The header of Basic credentials.
export function basic(user, password) {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

// Runs the calls, some at a time.
export async function inParallel(items, count, call) {
  const left = [...items];
  const work = async () => {
    while (left.length > 0) await call(left.shift());
  };
  await Promise.all(Array.from({ length: count }, work));
}
