// The work as a k6 user would write it.
import http from 'k6/http';
import { check } from 'k6';

const params = { headers: { 'X-Access-Token': 't'.repeat(40), Accept: 'application/json' } };
if (__ENV.BENCH_BODY) params.headers['Content-Type'] = 'application/json';
const pointer = __ENV.BENCH_POINTER.split('/');
const value = Number(__ENV.BENCH_VALUE);

export const options = {
  scenarios: { bench: __ENV.BENCH_RATE
    ? { executor: 'constant-arrival-rate', rate: Number(__ENV.BENCH_RATE), timeUnit: '1s',
        duration: __ENV.BENCH_TIME, preAllocatedVUs: Number(__ENV.BENCH_VUS), maxVUs: Number(__ENV.BENCH_VUS) }
    : { executor: 'constant-vus', vus: Number(__ENV.BENCH_VUS), duration: __ENV.BENCH_TIME } },
  insecureSkipTLSVerify: true,
  summaryTrendStats: ['min', 'med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

export default function () {
  const answer = http.request(__ENV.BENCH_METHOD, __ENV.BENCH_URL, __ENV.BENCH_BODY || null, params);
  check(answer, { value: (a) => {
    let found = a.json();
    for (const name of pointer) found = found[name];
    return found === value;
  } });
}
