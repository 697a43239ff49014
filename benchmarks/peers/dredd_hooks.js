// What somebody who knows Dredd well adds to it: tokens, the calls that have to be refused, and a report as JSON.
// Dredd skips every response that is not a success unless a hook says how to bring it about.

const fs = require('fs');
const hooks = require('hooks');

const told = JSON.parse(process.env.PEERS_TOLD); // tokens, where to report, and which operations can refuse what
const report = [];

const unknown = (path) => {
  const [route, query] = path.split('?');
  const parts = route.split('/');
  const last = parts[parts.length - 1];
  parts[parts.length - 1] = /^[0-9]+$/.test(last) ? '999999999' : 'no-such-record';
  return parts.join('/') + (query ? `?${query}` : '');
};

const ways = {
  400: (t) => {
    if (t.request.body) t.request.body = '{"broken';
    else t.fullPath += `${t.fullPath.includes('?') ? '&' : '?'}limit=-1&load_full_structure=maybe`;
  },
  401: (t) => { delete t.request.headers['X-Access-Token']; },
  403: (t) => { t.request.headers['X-Access-Token'] = told.nobody; },
  404: (t) => { t.fullPath = unknown(t.fullPath); },
  415: (t) => { t.request.headers['Content-Type'] = 'text/plain'; },
  422: (t) => { t.request.body = JSON.stringify({ ...JSON.parse(t.request.body), no_such_field: 1 }); },
};

const possible = (t, status) => {
  const path = t.origin.resourceName;
  if (status === '403') return told.guarded.includes(`${t.request.method} ${path}`);
  if (status === '400') return Boolean(t.request.body) || told.choosy.includes(`${t.request.method} ${path}`);
  if (status === '404') return path.endsWith('}');
  if (status === '415' || status === '422') return Boolean(t.request.body);
  return status in ways;
};

hooks.beforeEach((transaction, done) => {
  const t = transaction;
  const status = t.expected.statusCode;
  if (told.closed.includes(`${t.request.method} ${t.origin.resourceName}`)) {
    t.request.headers['X-Access-Token'] = told.admin;
  }
  if (!status.startsWith('2')) {
    t.skip = !possible(t, status);
    if (!t.skip) ways[status](t);
  }
  done();
});

hooks.afterEach((transaction, done) => {
  const t = transaction;
  if (!t.skip) {
    const fields = (t.results && t.results.fields) || {};
    const errors = Object.entries(fields).flatMap(([name, field]) => field.errors.map((e) => `${name}: ${e.message}`));
    report.push({
      operation: `${t.request.method} ${t.origin.resourceName}`,
      expected: t.expected.statusCode,
      passed: Boolean(t.test && t.test.status === 'pass'),
      errors: errors.length || !t.test ? errors : [String(t.test.message || '')].filter(Boolean),
    });
  }
  done();
});

hooks.afterAll((transactions, done) => {
  fs.writeFileSync(told.report, JSON.stringify(report));
  done();
});
