#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_options.h"
#include "connectors/kafka/kafka_reach.h"
#include "engine/cancel.h"
#include "engine/mutex.h"
#include "engine/status.h"

// Handles of the client library; its header stays in the source files.
struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_message_s;
struct rd_kafka_topic_s;
struct rd_kafka_error_s;
struct rd_kafka_topic_partition_list_s;
struct rd_kafka_consumer_group_metadata_s;

namespace anabranch {

struct LaneContext;

struct KafkaDeleter {
  void operator()(rd_kafka_conf_s* conf) const;
  void operator()(rd_kafka_topic_s* topic) const;
  void operator()(rd_kafka_error_s* error) const;
  void operator()(rd_kafka_topic_partition_list_s* list) const;
  void operator()(rd_kafka_consumer_group_metadata_s* metadata) const;
};
using KafkaTopic = std::unique_ptr<rd_kafka_topic_s, KafkaDeleter>;
using KafkaError = std::unique_ptr<rd_kafka_error_s, KafkaDeleter>;
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_s, KafkaDeleter>;
using KafkaGroupMetadata = std::unique_ptr<rd_kafka_consumer_group_metadata_s, KafkaDeleter>;

// How long a start waits for brokers before it says that they cannot be reached: the user knows within 10 s.
inline constexpr int64_t kConnectWaitNs = 8'000'000'000;
inline constexpr int64_t kMissingWaitNs = 2'000'000'000;

// How long to wait for brokers that are away: for ever while the run goes on, a little while once a stop was asked for.
// Used by one thread at a time.
class Patience {
 public:
  explicit Patience(const CancelToken* cancel) : cancel_(cancel) {}
  bool over();
  // Over at once, until the next Resume(). From any thread.
  void Interrupt() { interrupted_.store(true, std::memory_order_relaxed); }
  void Resume() { interrupted_.store(false, std::memory_order_relaxed); }
  // Sleeps, but not past its own end.
  void Pause(int64_t ns);
  // What to tell when it is over: kCancelled when the stop is to be at once, else kRetry with what was left
  // undone.
  Status Over(const std::string& undone) const;

 private:
  const CancelToken* const cancel_;
  std::atomic<bool> interrupted_{false};
  int64_t draining_since_ns_ = 0;
};

// What a client tells its owner. Called on the thread that polls the client.
struct ClientHooks {
  std::function<void(int error, rd_kafka_topic_partition_list_s* partitions)> rebalance;  // consumers
  std::function<void(const rd_kafka_message_s& message)> undelivered;                     // producers
  std::function<void(const rd_kafka_message_s& message)> delivered;                       // producers; may be empty
  std::function<void(const std::string&)> warn;                                           // any thread
  std::shared_ptr<KafkaReach> reach;                                                      // may be null
};

// One client of the library: its handle, and what it last complained of. Made with checked options. Its last owner ends
// it (a consumer does not leave its group there). That is bounded: the library waits for its own threads, and one of
// 2.0.2 never ends once a topic was deleted. A consumer that does not end in time is abandoned and reported in the log;
// a producer still refers to its owner's bytes, so the process ends at once (exit code 75): nothing is lost.
class KafkaClient {
 public:
  enum class Kind : uint8_t { kConsumer, kProducer };
  using Settings = std::vector<std::pair<std::string, std::string>>;

  // `defaults` stand below the user's properties, `fixed` above them. kInvalid when they do not go together.
  static Result<std::shared_ptr<KafkaClient>> Make(Kind kind, const ClientOptions& options, const Settings& defaults,
                                                   const Settings& fixed, ClientHooks hooks);
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  rd_kafka_s* get() const { return handle_; }
  // Why the brokers cannot be used, as far as the client says: the refused log-in, the name that does not
  // resolve, the refused connection. Names the property to look at.
  std::string Complaint() const;
  // The brokers refused the log-in or TLS failed: waiting longer is of no use.
  bool refused() const { return refused_.load(std::memory_order_relaxed); }
  // Code and text when the client can no longer work; 0 otherwise.
  int FatalError(std::string* text) const;
  // Whether a request that moves positions or ends a transaction was sent more than once since the last call: the first
  // may still be on its way after a reconnect, and would then act on a later transaction of this producer. Only a new
  // producer is safe from it.
  bool TakeSentAgain();
  // Whether the client asked for metadata since the last call. It does so once in a while, and whenever a broker knows
  // a partition no more: before it reads on in one that was made anew.
  bool asked_metadata() const { return asked_metadata_.load(std::memory_order_relaxed); }
  bool TakeAskedMetadata() { return asked_metadata_.exchange(false, std::memory_order_relaxed); }
  // Topics made here, for their partitioner and cached metadata.
  KafkaTopic Topic(const std::string& name) const;

  // Consumers, cheap: has the threads that fetch look again at how much is queued. Below 2.2 they sleep up to a second
  // once the queue is full, however fast it empties.
  void FetchOn();
  // Whether that is of use and free of waits. From 2.2 on "fetch.queue.backoff.ms" sees to it; and with GSSAPI the call
  // would wait while the client talks to the ticket server.
  bool can_fetch_on() const { return can_fetch_on_; }

  // Some client was abandoned. The process then ends without the clean-up of libraries that its threads still use.
  static bool AnyAbandoned();

  // Called by the library's callbacks.
  void NoteError(int error, const char* reason);
  void NoteCertificate(int x509_error, const char* broker);
  void NoteLog(int level, const char* text);
  const ClientHooks& hooks() const { return hooks_; }
  void NoteRequest(int api);

 private:
  KafkaClient(Kind kind, const ClientOptions& options, ClientHooks hooks);
  ~KafkaClient() = default;
  static void End(KafkaClient* client);

  const Kind kind_;
  const ClientHooks hooks_;
  const std::string servers_, mechanism_, protocol_;
  const std::string user_, password_;
  rd_kafka_s* handle_ = nullptr;
  bool can_fetch_on_ = false;
  std::atomic<bool> refused_{false};
  std::atomic<int> ends_{0}, positions_{0};  // sent
  std::atomic<bool> asked_metadata_{false};
  mutable Mutex mutex_;
  int error_ GUARDED_BY(mutex_) = 0;
  std::string reason_ GUARDED_BY(mutex_);       // of the newest error of a broker
  std::string certificate_ GUARDED_BY(mutex_);  // what is wrong with a broker's certificate, and the cure
  int64_t next_warning_ns_ GUARDED_BY(mutex_) = 0;
};

// A topic as the brokers describe it.
struct TopicFacts {
  int partitions = 0;  // 0: it does not exist
  int replicas = 0;    // of the partition that has the fewest
  int leaderless = 0;  // partitions that nobody can read or write now
};
// Waits at most `wait_ns` for the brokers, and `missing_wait_ns` in all for topics that do not exist: they may just be
// being made. kUnavailable when the brokers cannot be reached (naming them and the cause). Never makes a topic.
Result<std::vector<TopicFacts>> FindTopics(const ClientOptions& options, std::span<const std::string> topics,
                                           int64_t wait_ns, const CancelToken* cancel,
                                           const std::function<void(const std::string&)>& warn,
                                           int64_t missing_wait_ns = kMissingWaitNs);

// "TOOL --bootstrap-server localhost:9092", for a tool of Apache Kafka.
std::string KafkaTool(const std::string& tool, const ClientOptions& options);
// "kafka-topics.sh … --create …".
std::string CreateTopicCommand(const std::string& topic, const ClientOptions& options);
// The commands that make a topic, first `make_command` (LaneContext::make_command).
std::string HowToMakeTopic(const std::string& topic, const ClientOptions& options, const std::string& make_command);

// How many partitions each topic has. Waits at most `wait_ns` for the brokers. kUnavailable when they cannot
// be reached (naming them and the cause) or topics are missing (naming all, and the commands that make
// them). Never makes a topic.
Result<std::vector<int>> CountPartitions(const ClientOptions& options, std::span<const std::string> topics,
                                         int64_t wait_ns, const LaneContext& lane);

// kUnavailable: that the brokers cannot be used, and why, as far as the client says.
Status BrokersAway(const KafkaClient& client, const ClientOptions& options);

// Whether the brokers say that the topic does not exist; false when they do not answer within `wait_ms`.
bool IsTopicMissing(const KafkaClient& client, const std::string& topic, int wait_ms);

// kUnavailable when the library in use is known to lose or repeat records in ways that cannot be worked around.
Status CheckLibraryVersion();

// "name: reason" of a library error.
std::string ErrorText(int error);

}  // namespace anabranch
