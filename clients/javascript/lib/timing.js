// Every wait of the kit, in milliseconds; `new CyberHub({ timing: { … } })` changes some of them.

/** @type {import("../index.d.ts").Timing} */
export const TIMING = {
  // Between attempts while nothing works: the first, and the longest, which spares a server that
  // is down and is short enough to wait for.
  retry: [800, 15_000],
  // Between looks for a better transport while a lesser one works.
  climb: [2_000, 60_000],
  // For one attempt at Socket.IO, as long as nothing comes.
  connect: 8_000,
  // Then the updates are tried beside it: a blocked path may swallow packets without an answer.
  slow: 3_000,
  // For the acknowledgement of a command.
  ack: 5_000,
  // For the answer to a request.
  request: 15_000,
  // From then on "reconnecting" would promise too much.
  offline: 30_000,
  // Between two attempts to renew a token.
  renew: 10_000,
  // Longest wait of one long poll.
  poll: 25_000,
};
