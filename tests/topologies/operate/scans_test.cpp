#include "topologies/operate/scans.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace anabranch {
namespace {

TEST(ScansOfLetters, OneIsAtWorkAtATimeAndTheEndStopsItAndAllThatWait) {
  Scans scans;
  std::atomic<int> at_work{0}, most{0}, refused{0};
  const auto until_cancelled = [&](CancelToken& cancel) -> Status {
    most = std::max(most.load(), ++at_work);
    while (!cancel.now()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    --at_work;
    return {Code::kCancelled, ""};
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 40; ++i) {
    threads.emplace_back([&] { refused += scans.Run(until_cancelled).code() == Code::kRetry ? 1 : 0; });
  }
  while (at_work == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto begin = std::chrono::steady_clock::now();
  scans.End();
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  EXPECT_EQ(refused, 40);
  EXPECT_EQ(most, 1);
  EXPECT_EQ(scans.Run([](CancelToken&) { return Status(); }).code(), Code::kRetry);
}

TEST(ScansOfLetters, WhoWaitsTooLongIsToldSo) {
  Scans scans;
  std::atomic<bool> begun{false}, ends{false};
  std::thread first([&] {
    EXPECT_TRUE(scans
                    .Run([&](CancelToken&) -> Status {
                      begun = true;
                      while (!ends) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                      return {};
                    })
                    .ok());
  });
  while (!begun) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(scans.Run([](CancelToken&) { return Status(); }).code(), Code::kRetry);
  ends = true;
  first.join();
  EXPECT_TRUE(scans.Run([](CancelToken&) { return Status(); }).ok());
}

}  // namespace
}  // namespace anabranch
