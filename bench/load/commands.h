#pragma once

// What build/bench/load does: one function per command, which takes what follows the command's name (argv[0] is that
// name) and gives the exit code. Results are one line of JSON on stdout, talk goes to stderr, every wait has an end.
namespace anabranch::bench {

// Preloads a topic at full speed; back when all is acknowledged.
int Feed(int argc, char** argv);
// Waits until a topic holds enough and stands still.
int Await(int argc, char** argv);
// Reads a result topic from the beginning and judges every record; 1 when one is missing, twice, wrong
// or out of order.
int Verify(int argc, char** argv);
// Open loop: sends at a rate that waits for nobody and takes the latency of every result; 1 when results are missing.
int Open(int argc, char** argv);

}  // namespace anabranch::bench
