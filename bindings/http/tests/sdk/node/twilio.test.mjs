// npm twilio: the media of a message, listed, fetched and deleted by the SDK; stored and downloaded as bytes.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';

import { Gateway, basic, sdk } from './gateway.mjs';

const twilio = sdk('twilio');
const { RestException } = twilio;

const ACCOUNT = `AC${'1'.repeat(32)}`;
const TOKEN = 'twtoken1';
const PROTECTED_ACCOUNT = `AC${'3'.repeat(32)}`;
const PROTECTED_TOKEN = 'twtoken3';
const MESSAGE = `MM${'0123456789abcdef'.repeat(2)}`;
const OTHER_MESSAGE = `SM${'fedcba9876543210'.repeat(2)}`;

const HOUR = 3_600_000;

// An account, by the SDK and by its URLs.
class Account {
  constructor(gateway, sid = ACCOUNT, token = TOKEN) {
    this.gateway = gateway;
    this.client = twilio(sid, token);
    this.client.api.baseUrl = gateway.url;
    this.sid = sid;
    this.auth = basic(sid, token);
  }

  media(message = MESSAGE) {
    return this.client.api.v2010.accounts(this.sid).messages(message).media;
  }

  one(sid, message = MESSAGE) {
    return this.client.api.v2010.accounts(this.sid).messages(message).media(sid);
  }

  path(sid, message = MESSAGE) {
    return `/2010-04-01/Accounts/${this.sid}/Messages/${message}/Media${sid ? `/${sid}` : ''}`;
  }

  async store(body, type = 'image/png', message = MESSAGE) {
    const headers = { 'content-type': type, ...this.auth };
    const reply = await this.gateway.send('POST', this.path(undefined, message), headers, body);
    assert.equal(reply.status, 201, `${reply.body}`);
    return JSON.parse(reply.body);
  }
}

async function refuses(status, code, call) {
  const error = await call.then(
    () => assert.fail(`it was not refused with ${status}`),
    (error) => error,
  );
  assert.ok(error instanceof RestException, error);
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.ok(error.message !== '' && error.moreInfo.startsWith('http'));
}

const sids = (media) => media.map((one) => one.sid);

test('what is stored has a resource, and its bytes are public', async (t) => {
  const gateway = await Gateway.start(t);
  const account = new Account(gateway);
  const stored = await account.store(Buffer.from([0, 255, 13, 10]), 'image/gif');
  const fetched = await account.one(stored.sid).fetch();
  assert.deepEqual(
    [fetched.sid, fetched.accountSid, fetched.parentSid, fetched.contentType, fetched.uri],
    [stored.sid, ACCOUNT, MESSAGE, 'image/gif', `${account.path(stored.sid)}.json`],
  );
  assert.equal(fetched.dateCreated.getTime(), Date.parse(stored.date_created));
  assert.equal(fetched.dateUpdated.getTime(), fetched.dateCreated.getTime());
  const bytes = await gateway.send('GET', account.path(stored.sid));
  assert.deepEqual([bytes.status, bytes.headers['content-type']], [200, 'image/gif']);
  assert.deepEqual([...bytes.body], [0, 255, 13, 10]);
});

test('a list comes in pages that lead to one another', async (t) => {
  const account = new Account(await Gateway.start(t));
  for (let number = 0; number < 10; number += 1) await account.store(`${number}`);
  const all = sids(await account.media().list());
  assert.equal(new Set(all).size, 10);
  for (const pageSize of [1, 3, 4, 1000]) {
    assert.deepEqual(sids(await account.media().list({ pageSize })), all, 'one order for all');
  }
  assert.deepEqual(sids(await account.media().list({ limit: 7, pageSize: 3 })), all.slice(0, 7));
  const seen = [];
  await new Promise((done, failed) => {
    const end = (error) => (error ? failed(error) : done());
    account.media().each({ pageSize: 4, callback: (one) => seen.push(one.sid), done: end });
  });
  assert.deepEqual(seen, all);

  const first = await account.media().page({ pageSize: 4 });
  const second = await first.nextPage();
  const third = await second.nextPage();
  assert.deepEqual([first, second, third].map((page) => page.instances.length), [4, 4, 2]);
  assert.deepEqual([first, second, third].flatMap((page) => sids(page.instances)), all);
  assert.equal(third.nextPage(), undefined);
  assert.equal(first.previousPage(), undefined);
  assert.deepEqual(sids((await third.previousPage()).instances), sids(second.instances));
  assert.deepEqual(sids((await account.media().getPage(first.nextPageUrl)).instances), sids(second.instances));
  await assert.rejects(account.media().getPage(first.nextPageUrl.replace(/PageToken=./, 'PageToken=')), RestException);

  // What goes and comes meanwhile moves nothing else.
  await account.one(all[0]).remove();
  const added = (await account.store('added')).sid;
  const after = [];
  for (let page = await first.nextPage(); page; page = await page.nextPage()) after.push(...sids(page.instances));
  assert.deepEqual(after.filter((sid) => sid !== added), all.slice(4));
  assert.deepEqual(await account.media(OTHER_MESSAGE).list(), []);
});

test('filters by date', async (t) => {
  const gateway = await Gateway.start(t);
  const account = new Account(gateway);
  const noon = new Date();
  noon.setUTCHours(36, 0, 0, 0);
  gateway.forward((noon.getTime() - Date.now()) / HOUR);
  const created = [];
  for (let day = 0; day < 3; day += 1) {
    created.push((await account.store(`${day}`)).sid);
    gateway.forward(24);
  }
  const day = (number, hour) => new Date(noon.getTime() + (number * 24 + hour - 12) * HOUR);
  const found = async (filter) => new Set(sids(await account.media().list({ pageSize: 1, ...filter })));
  assert.deepEqual(await found({ dateCreated: day(1, 0) }), new Set([created[1]]));
  assert.deepEqual(await found({ dateCreated: day(1, 18) }), new Set([created[1]]));
  assert.deepEqual(await found({ dateCreatedBefore: day(1, 18) }), new Set(created.slice(0, 2)));
  assert.deepEqual(await found({ dateCreatedAfter: day(1, 0) }), new Set(created.slice(1)));
  assert.deepEqual(
    await found({ dateCreatedAfter: day(0, 18), dateCreatedBefore: day(2, 0) }),
    new Set([created[1]]),
  );
});

test('a delete is true once', async (t) => {
  const account = new Account(await Gateway.start(t));
  const { sid } = await account.store('1');
  const { sid: twin } = await account.store('1');
  assert.equal(await account.one(sid).remove(), true);
  await refuses(404, 20404, account.one(sid).remove());
  await refuses(404, 20404, account.one(sid).fetch());
  assert.deepEqual(sids(await account.media().list()), [twin]);
  assert.equal(await account.one(twin).remove(), true);
  assert.deepEqual(await account.media().list(), []);
});

test('wrong credentials are 401 and code 20003', async (t) => {
  const gateway = await Gateway.start(t);
  const account = new Account(gateway);
  const { sid } = await account.store('kept');
  const wrong = new Account(gateway, ACCOUNT, 'wrong');
  await refuses(401, 20003, wrong.one(sid).fetch());
  await refuses(401, 20003, wrong.one(sid).remove());
  await refuses(401, 20003, wrong.media().list());
  await refuses(404, 20404, account.one(sid, OTHER_MESSAGE).fetch());
  assert.deepEqual(sids(await account.media().list()), [sid]);
});

test('protected media are read by links of four hours', async (t) => {
  const gateway = await Gateway.start(t);
  const account = new Account(gateway, PROTECTED_ACCOUNT, PROTECTED_TOKEN);
  const { sid } = await account.store('secret', 'text/plain');
  assert.equal((await gateway.send('GET', account.path(sid))).status, 401);
  const redirect = await gateway.send('GET', account.path(sid), account.auth);
  assert.equal(redirect.status, 307);
  const { pathname, search } = new URL(redirect.headers.location, gateway.url + account.path(sid));
  assert.equal(`${(await gateway.send('GET', pathname + search)).body}`, 'secret');
  gateway.forward(4.1);
  const late = await gateway.send('GET', pathname + search);
  assert.ok([401, 403, 404, 410].includes(late.status), `${late.status}`);
  assert.equal((await account.one(sid).fetch()).contentType, 'text/plain');
});

test('a message fetches its media', async (t) => {
  const origin = createServer((request, response) => {
    response.writeHead(request.url === '/a.png' ? 200 : 404, { 'content-type': 'image/png' });
    response.end('a picture');
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  t.after(() => origin.close());
  const gateway = await Gateway.start(t);
  const account = new Account(gateway);
  const url = `http://127.0.0.1:${origin.address().port}`;
  const addressed = { to: '+15551230001', from: '+15551230002', body: 'hé & llo' };
  const message = await account.client.messages.create({ ...addressed, mediaUrl: [`${url}/a.png`] });
  assert.deepEqual([message.body, message.numMedia, message.status], ['hé & llo', '1', 'queued']);
  const [medium] = await account.media(message.sid).list();
  assert.equal(medium.contentType, 'image/png');
  assert.equal(`${(await gateway.send('GET', account.path(medium.sid, message.sid))).body}`, 'a picture');
  const absent = account.client.messages.create({ ...addressed, mediaUrl: [`${url}/a.png`, `${url}/absent`] });
  await assert.rejects(absent, (error) => error instanceof RestException && error.status === 400);
});
