// npm bandwidth-sdk: generated from OpenAPI, over axios, all of a name encoded.

import assert from 'node:assert/strict';

import { contract } from './bandwidth_contract.mjs';
import { sdk } from './gateway.mjs';

const { Configuration, MediaApi } = sdk('bandwidth-sdk');
const { isAxiosError } = sdk('axios');

class Media {
  constructor(url, username, password, account) {
    this.api = new MediaApi(new Configuration({ username, password, basePath: `${url}/api/v2` }));
    this.account = account;
  }

  async put(name, body, type, cacheControl) {
    const response = await this.api.uploadMedia(this.account, name, body, type, cacheControl);
    assert.equal(response.status, 204);
  }

  async get(name) {
    const { data, headers } = await this.api.getMedia(this.account, name, { responseType: 'arraybuffer' });
    return { body: data, headers };
  }

  async remove(name) {
    assert.equal((await this.api.deleteMedia(this.account, name)).status, 204);
  }

  async list(token) {
    const { data, headers } = await this.api.listMedia(this.account, token);
    const listed = data.map((one) => ({ name: one.mediaName, size: one.contentLength, url: one.content }));
    return { listed, token: headers['continuation-token'] };
  }
}

contract({
  names: [
    'logo.png',
    '14762070468292kw2fuqty55yp2b2/0/bw.png',
    'd/é 1%.png',
    "a+b & c=d?e#f;g,h@i:j$k!l*m'(n).txt",
    'quote"backslash\\',
    '🎉.gif',
    'e\u0301 is not \u00e9',
    'media',
    'a/b',
    'a%2Fb',
    'a%252Fb',
    'double//slash',
    't',
    't/A',
    't/a',
    '%',
    'x'.repeat(255),
  ],

  connect: (...given) => new Media(...given),

  refused(error) {
    assert.ok(isAxiosError(error), error);
    const { status, data } = error.response;
    // Where bytes were asked for, the error comes as bytes, too.
    const { type, description } = Buffer.isBuffer(data) ? JSON.parse(data) : data;
    return { status, type, description };
  },
});
