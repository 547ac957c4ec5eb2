<?php
// The same work as bench/workers/work.ts. Without n: how many iterations take a millisecond of CPU time.
function work(int $iterations): int {
  $value = 1;
  for ($index = 0; $index < $iterations; $index++) $value = ($value * 1664525 + 1013904223) & 0xffffffff;
  return $value;
}
function cpu_microseconds(): float {
  $usage = getrusage();
  return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e6 + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}
header('Content-Type: text/plain');
header('X-Process: ' . getmypid());
if (!isset($_GET['n'])) {
  $rates = [];
  for ($round = 0; $round < 9; $round++) {
    $before = cpu_microseconds();
    work(2000000);
    $rates[] = 2000000 / (cpu_microseconds() - $before) * 1000;
  }
  sort($rates);
  $body = (string) $rates[4];
} else {
  header('X-Value: ' . work((int) $_GET['n']));
  $body = str_repeat('.', 2000);
}
header('Content-Length: ' . strlen($body));
echo $body;
