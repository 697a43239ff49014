// A breakpoint test as k6 recommends it: the arrival rate rises until the threshold fails, which aborts the test.
import http from 'k6/http';

const params = { headers: { 'X-Access-Token': __ENV.BENCH_TOKEN, Accept: 'application/json' } };

export const options = {
  scenarios: { breakpoint: {
    executor: 'ramping-arrival-rate', startRate: 1, timeUnit: '1s', preAllocatedVUs: 500, maxVUs: 2000,
    stages: [{ target: Number(__ENV.BENCH_MOST), duration: __ENV.BENCH_TIME }],
  } },
  thresholds: { http_req_duration: [{ threshold: `p(99)<${__ENV.BENCH_LIMIT_MS}`, abortOnFail: true, delayAbortEval: '30s' }],
    http_req_failed: [{ threshold: 'rate<0.01', abortOnFail: true, delayAbortEval: '30s' }] },
};

export default function () {
  http.get(__ENV.BENCH_URL, params);
}
