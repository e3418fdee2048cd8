// npm @bandwidth/messaging: uploads are streams, sent in chunks, and downloads are streams, too.

import assert from 'node:assert/strict';
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';

import { ACCOUNT, EVERY_BYTE, connected, contract, refuses } from './bandwidth_contract.mjs';
import { sdk } from './gateway.mjs';

const { ApiController, ApiError, Client, Environment, FileWrapper } = sdk('@bandwidth/messaging');

class Media {
  constructor(url, basicAuthUserName, basicAuthPassword, account) {
    const environment = Environment.Custom;
    const client = new Client({ environment, baseUrl: `${url}/api/v2`, basicAuthUserName, basicAuthPassword });
    this.api = new ApiController(client);
    this.account = account;
  }

  async put(name, body, type, cacheControl) {
    const pieces = [];
    for (let at = 0; at < body.length; at += 100_000) pieces.push(body.subarray(at, at + 100_000));
    const file = new FileWrapper(Readable.from(pieces, { objectMode: false }));
    const response = await this.api.uploadMedia(this.account, name, file, type, cacheControl);
    assert.equal(response.statusCode, 204);
  }

  async get(name) {
    const { result, headers } = await this.api.getMedia(this.account, name);
    return { body: await buffer(result), headers };
  }

  async remove(name) {
    assert.equal((await this.api.deleteMedia(this.account, name)).statusCode, 204);
  }

  async list(token) {
    const { result, headers } = await this.api.listMedia(this.account, token);
    const listed = result.map((one) => ({ name: one.mediaName, size: one.contentLength, url: one.content }));
    return { listed, token: headers['continuation-token'] };
  }
}

const tested = {
  names: [
    'logo.png',
    '14762070468292kw2fuqty55yp2b2/0/bw.png',
    'd/é 1%.png',
    "a+b & c=d?e#f;g,h@i:j$k!l*m'(n).txt",
    'quote"backslash\\',
    '🎉.gif',
    'e\u0301 is not \u00e9',
    'media',
    'a%2Fb',
    'double//slash',
    't',
    't/A',
    't/a',
    'x'.repeat(255),
  ],

  connect: (...given) => new Media(...given),

  async refused(error) {
    assert.ok(error instanceof ApiError, error);
    // Where a stream was asked for, the error comes as a stream, too.
    const body = error.body instanceof Readable ? await buffer(error.body) : error.body;
    const { type, description } = JSON.parse(body);
    return { status: error.statusCode, type, description };
  },
};

contract(tested);

test('a file goes out in chunks and comes back whole', async (t) => {
  const { gateway, media } = await connected(tested, t);
  const path = join(gateway.directory, 'upload');
  const bytes = Buffer.concat(Array(1000).fill(EVERY_BYTE));
  writeFileSync(path, bytes);
  await media.api.uploadMedia(ACCOUNT, 'file', new FileWrapper(createReadStream(path)), 'video/mp4');
  assert.deepEqual((await media.get('file')).body, bytes);
  // Without a type it is the SDK that chooses one.
  await media.api.uploadMedia(ACCOUNT, 'untyped', new FileWrapper(createReadStream(path)));
  assert.equal((await media.get('untyped')).headers['content-type'], 'application/octet-stream');
  // In chunks nothing says beforehand that it is too large.
  await refuses(tested, 400, media.put('file', Buffer.alloc(5_000_000), 'video/mp4'));
  assert.deepEqual((await media.get('file')).body, bytes);
});
