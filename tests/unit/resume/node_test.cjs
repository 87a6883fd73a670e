// images/resume/node in processes of their own, with a folder in place of /run/anchorhold. A "copy" is the same process
// with the same buffered bytes: /dev/urandom is played by a counter that each test can turn.
'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const shim = path.resolve(__dirname, '../../../images/resume/node/resume.cjs');

// Runs `body` behind the shim. `kernel` is the byte that the kernel gives now, `reads` how often it was asked.
function run(body, { guest = true } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'anchorhold-'));
  try {
    if (guest) fs.writeFileSync(`${folder}/generation`, '00000000000000000001\n');
    fs.writeFileSync(`${folder}/before.cjs`, `
      const fs = require('fs');
      globalThis.kernel = { byte: 1, reads: 0 };
      const { openSync, readSync, closeSync } = fs;
      fs.openSync = (name, ...rest) => (name === '/dev/urandom' ? -7 : openSync(name, ...rest));
      fs.closeSync = (file) => (file === -7 ? undefined : closeSync(file));
      fs.readSync = (file, bytes, ...rest) => {
        if (file !== -7) return readSync(file, bytes, ...rest);
        kernel.reads += 1;
        bytes.fill(kernel.byte, rest[0], rest[0] + rest[1]);
        return rest[1];
      };
      globalThis.resume = (number, byte) => {
        kernel.byte = byte;
        fs.writeFileSync('${folder}/generation', String(number).padStart(20, '0') + '\\n');
      };`);
    const child = spawnSync(process.execPath, ['-r', `${folder}/before.cjs`, '-r', shim, '-e', body],
      { env: { ...process.env, NODE_OPTIONS: '', ANCHORHOLD_RUN: folder }, encoding: 'utf8' });
    assert.strictEqual(child.status, 0, child.stderr);
    return child.stdout.trim();
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

test('draws share a buffer while the guest is the same', () => {
  assert.strictEqual(run('for (let i = 0; i < 100; ++i) Math.random(); console.log(kernel.reads)'), '1');
});

for (const [name, draw] of Object.entries({
  'Math.random': 'Math.random()',
  randomBytes: 'crypto.randomBytes(4).toString("hex")',
  'randomBytes beyond the buffer': 'crypto.randomBytes(10000).toString("hex").slice(-8)',
  randomUUID: 'crypto.randomUUID()',
  randomInt: 'crypto.randomInt(1e9)',
  randomFillSync: 'crypto.randomFillSync(Buffer.alloc(4)).toString("hex")',
  getRandomValues: 'crypto.getRandomValues(new Uint8Array(4)).join()',
  'webcrypto.getRandomValues': 'crypto.webcrypto.getRandomValues(new Uint16Array(2)).join()',
  'webcrypto.randomUUID': 'crypto.webcrypto.randomUUID()',
})) {
  test(`${name} takes nothing from before a resume`, () => {
    const body = `const crypto = require('crypto'); const draw = () => ${draw};
      const before = draw(); const again = draw(); resume(7, 2); console.log(before === again, before === draw(), draw() === draw());`;
    assert.strictEqual(run(body), 'true false true');
  });
}

test('a buffer that a resume meets half used is thrown away', () => {
  assert.strictEqual(run(`const { randomBytes } = require('crypto'); randomBytes(100); resume(2, 9);
    console.log(randomBytes(2).toString('hex'), kernel.reads)`), '0909 2');
});

test('asynchronous draws are made after the resume that came before their callbacks', () => {
  const body = `const crypto = require('crypto'); crypto.randomBytes(2); const got = [];
    crypto.randomBytes(2, (error, bytes) => got.push(bytes.toString('hex')));
    crypto.randomFill(Buffer.alloc(2), (error, bytes) => got.push(bytes.toString('hex')));
    resume(3, 5); process.on('exit', () => console.log(got.join()));`;
  assert.strictEqual(run(body), '0505,0505');
});

test('hooks are called once after each resume and keep no process alive', () => {
  const body = `const { onResume } = require(${JSON.stringify(shim)}); let calls = 0;
    onResume(() => { calls += 1; console.log('resumed', calls); if (calls < 2) setTimeout(() => resume(9, 2), 50); });
    resume(5, 1); resume(5, 1); setTimeout(() => {}, 1500);`;
  assert.strictEqual(run(body), 'resumed 1\nresumed 2');
  assert.strictEqual(run(`require(${JSON.stringify(shim)}).onResume(() => {}); console.log('ends')`), 'ends');
});

test('imported names are the replaced ones', () => {
  assert.strictEqual(run(`import('node:crypto').then(({ randomBytes }) => console.log(randomBytes(1)[0]))`), '1');
});

test('arguments are checked as before', () => {
  const body = `const crypto = require('crypto'); const codes = [];
    for (const call of [() => crypto.randomBytes(-1), () => crypto.randomInt(5, 1), () => crypto.randomUUID(3),
      () => crypto.randomFillSync(Buffer.alloc(4), 9), () => crypto.getRandomValues(new Uint8Array(70000))]) {
      try { call(); codes.push('none'); } catch (error) { codes.push(error.code); }
    }
    console.log(codes.join())`;
  assert.strictEqual(run(body), run(body, { guest: false }));
});

test('outside of a guest nothing is replaced', () => {
  assert.strictEqual(run('Math.random(); require("crypto").randomBytes(9); console.log(kernel.reads)', { guest: false }), '0');
});

test('values are spread evenly over their ranges', () => {
  const body = `kernel.byte = 0; const { randomInt } = require('crypto');
    console.log(Math.random(), randomInt(3, 9)); resume(2, 255); console.log(Math.random() < 1, randomInt(256));`;
  assert.match(run(body.replace('randomInt(256)', 'true')), /^0 3\ntrue true$/);
});
