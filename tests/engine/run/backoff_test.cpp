#include "engine/run/backoff.h"

#include <gtest/gtest.h>

#include <thread>

namespace anabranch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(BackoffPauses, DoubleUpToTheLastAndStayWithinAFifth) {
  Backoff backoff(milliseconds(100), milliseconds(1000), 7);
  for (const int expected : {100, 200, 400, 800, 1000, 1000}) {
    const double pause = std::chrono::duration<double, std::milli>(backoff.Next()).count();
    EXPECT_GE(pause, expected * 0.8);
    EXPECT_LE(pause, expected * 1.2);
  }
}

TEST(BackoffPauses, DifferFromInstanceToInstanceAndNotForOneSeed) {
  Backoff a(seconds(1), seconds(1)), b(seconds(1), seconds(1));
  EXPECT_NE(a.Next(), b.Next());
  Backoff c(seconds(1), seconds(1), 3), d(seconds(1), seconds(1), 3);
  EXPECT_EQ(c.Next(), d.Next());
}

TEST(BackoffPauses, AFirstAboveTheLastIsTheLast) {
  Backoff backoff(seconds(100), milliseconds(10), 1);
  EXPECT_LE(backoff.Next(), milliseconds(12));
}

TEST(BackoffPauses, EndEarlyWhenAStopIsAskedFor) {
  CancelToken cancel;
  Backoff backoff(seconds(60), seconds(60));
  const auto begin = std::chrono::steady_clock::now();
  std::thread stopper([&cancel] {
    std::this_thread::sleep_for(milliseconds(30));  // real time: the pause has begun by then, as a rule
    cancel.Raise(CancelToken::kDrain);
  });
  EXPECT_FALSE(backoff.Wait(cancel));
  stopper.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));
}

TEST(BackoffPauses, LastTheirTimeWhenNobodyStops) {
  CancelToken cancel;
  Backoff backoff(milliseconds(20), milliseconds(20));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(backoff.Wait(cancel));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(16));
}

}  // namespace
}  // namespace anabranch
