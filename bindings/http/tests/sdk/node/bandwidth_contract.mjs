// What each of Bandwidth's Node SDKs must find at the gateway; what is peculiar to one stands in its own file.
//
// An SDK is told by `connect(url, user, password, account)`, which gives `put(name, body, type, cacheControl)`,
// `get(name)` -> { body, headers }, `remove(name)` and `list(token)` -> { listed: [{ name, size, url }], token }; by
// `refused(error)`, which checks that the error is the SDK's own and gives { status, type, description }; and by `names`,
// those that it can say.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Gateway, basic, inParallel } from './gateway.mjs';

export const ACCOUNT = '5500001';
const USER = ['bwuser', 'bw:pass word'];
const OTHER_ACCOUNT = '5500002';
const OTHER_USER = ['other', 'otherpass'];

export const EVERY_BYTE = Buffer.from(Array.from({ length: 1280 }, (_, number) => number % 256));

// Bytes that the gateway takes at most, and bytes that Bandwidth's guide promises.
const BYTES_MAX = 3_932_160;
const BYTES_PROMISED = 3_750_000;

export async function connected(sdk, test) {
  const gateway = await Gateway.start(test);
  return { gateway, media: sdk.connect(gateway.url, ...USER, ACCOUNT) };
}

// The call must fail with this status, in the SDK's own error, whose fields it could read.
export async function refuses(sdk, status, call) {
  const error = await call.then(
    () => assert.fail(`it was not refused with ${status}`),
    (error) => error,
  );
  const refused = await sdk.refused(error);
  assert.equal(refused.status, status, error.message);
  assert.ok(typeof refused.type === 'string' && refused.type !== '');
  assert.ok(typeof refused.description === 'string' && refused.description !== '');
}

export function contract(sdk) {
  test('what was uploaded comes back', async (t) => {
    const { media } = await connected(sdk, t);
    await media.put('logo.png', EVERY_BYTE, 'image/png', 'max-age=60, private');
    const got = await media.get('logo.png');
    assert.deepEqual(got.body, EVERY_BYTE);
    assert.equal(got.headers['content-type'], 'image/png');
    assert.equal(got.headers['cache-control'], 'max-age=60, private');
    assert.equal(got.headers['content-length'], `${EVERY_BYTE.length}`);
    assert.match(got.headers.etag, /^".*"$/);
    assert.match(got.headers['last-modified'], / GMT$/);

    const gzip = Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]);
    await media.put('logo.png', gzip, 'application/gzip');
    const newer = await media.get('logo.png');
    assert.deepEqual(newer.body, gzip);
    assert.equal(newer.headers['content-type'], 'application/gzip');
    assert.equal(newer.headers['content-encoding'], undefined);
    assert.notEqual(newer.headers['cache-control'], 'max-age=60, private');
    assert.notEqual(newer.headers.etag, got.headers.etag);
  });

  test('an empty body is a medium', async (t) => {
    const { media } = await connected(sdk, t);
    await media.put('empty', Buffer.alloc(0), 'text/plain; charset=utf-8');
    const got = await media.get('empty');
    assert.equal(got.body.length, 0);
    assert.equal(got.headers['content-type'], 'text/plain; charset=utf-8');
  });

  test('a delete is final until the next upload', async (t) => {
    const { media } = await connected(sdk, t);
    await media.put('a', Buffer.from('1'), 'text/plain');
    await media.put('twin', Buffer.from('1'), 'text/html');
    await media.remove('a');
    await refuses(sdk, 404, media.get('a'));
    await refuses(sdk, 404, media.remove('a'));
    assert.equal((await media.get('twin')).headers['content-type'], 'text/html');
    await media.put('a', Buffer.from('2'), 'text/plain');
    assert.equal(`${(await media.get('a')).body}`, '2');
  });

  test('every name that the SDK can say is kept as it is', async (t) => {
    const { gateway, media } = await connected(sdk, t);
    for (const name of sdk.names) await media.put(name, Buffer.from(`of ${name}`), 'text/plain');
    const { listed, token } = await media.list();
    assert.equal(token, undefined);
    assert.deepEqual(listed.map((one) => one.name).sort(), [...sdk.names].sort());
    for (const one of listed) {
      assert.equal(`${(await media.get(one.name)).body}`, `of ${one.name}`);
      assert.equal(one.size, Buffer.byteLength(`of ${one.name}`));
      assert.ok(one.url.startsWith(`${gateway.url}/api/v2/users/${ACCOUNT}/media/`), one.url);
      assert.equal(`${(await gateway.send('GET', one.url, basic(...USER))).body}`, `of ${one.name}`);
      assert.equal((await gateway.send('GET', one.url)).status, 401);
    }
    for (const name of sdk.names) {
      await media.remove(name);
      await refuses(sdk, 404, media.get(name));
    }
    assert.deepEqual((await media.list()).listed, []);
  });

  test('1205 come as 1000 and 205', async (t) => {
    const { gateway, media } = await connected(sdk, t);
    const names = Array.from({ length: 1205 }, (_, number) => `${`${number}`.padStart(4, '0')}/é`);
    await inParallel(names, 16, (name) => media.put(name, Buffer.from(name), 'text/plain'));
    const first = await media.list();
    const second = await media.list(first.token);
    assert.deepEqual([first.listed.length, second.listed.length, second.token], [1000, 205, undefined]);
    assert.deepEqual([...first.listed, ...second.listed].map((one) => one.name), names);
    assert.deepEqual(await media.list(first.token), second, 'a token is good for more than once');
    for (const bad of ['x', '1000', first.token.slice(0, -1), `${first.token}A`]) {
      await refuses(sdk, 400, media.list(bad));
    }
    const other = sdk.connect(gateway.url, ...OTHER_USER, OTHER_ACCOUNT);
    await refuses(sdk, 400, other.list(first.token));
  });

  test('a medium lives 48 hours from its last upload', async (t) => {
    const { gateway, media } = await connected(sdk, t);
    await media.put('once', Buffer.from('1'), 'text/plain');
    await media.put('twice', Buffer.from('1'), 'text/plain');
    gateway.forward(24);
    await media.put('twice', Buffer.from('2'), 'text/plain');
    gateway.forward(23.9);
    assert.equal(`${(await media.get('once')).body}`, '1');
    gateway.forward(0.2);
    await refuses(sdk, 404, media.get('once'));
    await refuses(sdk, 404, media.remove('once'));
    assert.deepEqual((await media.list()).listed.map((one) => one.name), ['twice']);
    gateway.forward(23.8);
    assert.equal(`${(await media.get('twice')).body}`, '2');
    gateway.forward(0.2);
    assert.deepEqual((await media.list()).listed, []);
  });

  test('too large is refused in words and changes nothing', async (t) => {
    const { media } = await connected(sdk, t);
    await media.put('large', Buffer.alloc(BYTES_PROMISED, 7), 'video/mp4');
    await refuses(sdk, 400, media.put('large', Buffer.alloc(BYTES_MAX + 1), 'video/mp4'));
    await refuses(sdk, 400, media.put('new', Buffer.alloc(2 * BYTES_MAX), 'video/mp4'));
    assert.deepEqual((await media.get('large')).body, Buffer.alloc(BYTES_PROMISED, 7));
    await refuses(sdk, 404, media.get('new'));
    await media.put('new', Buffer.alloc(BYTES_MAX), 'video/mp4');
    assert.equal((await media.get('new')).body.length, BYTES_MAX);
  });

  test('wrong credentials are 401 and another account 403, for every operation', async (t) => {
    const { gateway, media } = await connected(sdk, t);
    await media.put('a', Buffer.from('kept'), 'text/plain');
    for (const [status, user, password] of [
      [401, USER[0], 'wrong'],
      [401, 'nobody', USER[1]],
      [403, ...OTHER_USER],
    ]) {
      const trespasser = sdk.connect(gateway.url, user, password, ACCOUNT);
      for (const name of ['a', 'absent']) {
        await refuses(sdk, status, trespasser.get(name));
        await refuses(sdk, status, trespasser.remove(name));
        await refuses(sdk, status, trespasser.put(name, Buffer.from('changed'), 'text/plain'));
      }
      await refuses(sdk, status, trespasser.list());
      // Read and dropped, so that the SDK sees the status.
      await refuses(sdk, status, trespasser.put('a', Buffer.alloc(BYTES_PROMISED), 'text/plain'));
    }
    assert.equal(`${(await media.get('a')).body}`, 'kept');
    assert.deepEqual((await media.list()).listed.map((one) => one.name), ['a']);
  });
}
