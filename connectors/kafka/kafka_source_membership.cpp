// The part of a Kafka source that is about its place in the group.
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "connectors/kafka/kafka_source.h"
#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int kAskGroupMs = 2'000;
constexpr int64_t kAskAgainNs = 200'000'000;
constexpr int64_t kCloseWaitNs = 5'000'000'000;
constexpr int kLeavePollMs = 10;
constexpr int64_t kSessionMarginMs = 2'000;
constexpr int64_t kMostApartNs = 4'000'000'000;  // two processes that each took a name of the other do not both stop
constexpr size_t kUuidChars = 36;
constexpr char kAheadRecords[] = "8000";  // lasts 8 ms at a million a second: longer than a fetch takes

struct GroupListDeleter {
  void operator()(const struct rd_kafka_group_list* list) const { rd_kafka_group_list_destroy(list); }
};

int64_t Number(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

}  // namespace

std::string KafkaSource::MemberName() const {
  return lane_.topology + "." + lane_.instance + "." + std::to_string(lane_.lane);
}

KafkaClient::Settings KafkaSource::FixedSettings() const {
  KafkaClient::Settings settings = {{"group.id", group_},
                                    {"partition.assignment.strategy", "range"},
                                    {"enable.auto.commit", "false"},
                                    {"enable.auto.offset.store", "false"},
                                    {"isolation.level", "read_committed"},
                                    {"auto.offset.reset", "error"},
                                    {"check.crcs", "true"},
                                    {"allow.auto.create.topics", "false"},
                                    {"enable.partition.eof", "true"}};
  if (!settings_->read_back) settings.emplace_back("group.instance.id", MemberName());
  return settings;
}

Status KafkaSource::Connect() {
  ClientHooks hooks;
  hooks.rebalance = [this](int error, rd_kafka_topic_partition_list_t* list) { OnRebalance(error, list); };
  hooks.warn = lane_.warn;
  hooks.reach = reach_;
  const std::string ahead_kib = std::to_string(std::clamp<size_t>(lane_.read_ahead_bytes >> 10, 64, 32768));
  full_records_ = Number(settings_->options.Value("queued.min.messages", kAheadRecords));
  full_bytes_ = Number(settings_->options.Value("queued.max.messages.kbytes", ahead_kib)) << 10;
  const KafkaClient::Settings defaults = {{"client.id", "anabranch-" + MemberName()},
                                          {"session.timeout.ms", "10000"},
                                          {"heartbeat.interval.ms", "1000"},
                                          {"queued.min.messages", kAheadRecords},
                                          {"queued.max.messages.kbytes", ahead_kib},
                                          {"fetch.wait.max.ms", "100"},
                                          {"topic.metadata.refresh.interval.ms", "30000"},
                                          {"reconnect.backoff.max.ms", "1000"},
                                          {"socket.nagle.disable", "true"}};
  ASSIGN_OR_RETURN(client_, KafkaClient::Make(KafkaClient::Kind::kConsumer, settings_->options, defaults,
                                              FixedSettings(), std::move(hooks)));
  rd_kafka_poll_set_consumer(client_->get());
  queue_ = rd_kafka_queue_get_consumer(client_->get());
  taken_ = taken_bytes_ = most_queued_ = 0;
  unassigned_since_ns_ = Clock::Real().NowNs();
  return Status::Ok();
}

// From here on the group may give this member another id at any time.
Status KafkaSource::Join() {
  ForgetMembership();
  joined_ = true;
  const KafkaPartitions topics(rd_kafka_topic_partition_list_new(static_cast<int>(settings_->topics.size())));
  for (const std::string& topic : settings_->topics) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_->get(), topics.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Status::Ok();
  return {Code::kUnavailable, "group \"" + group_ + "\" cannot be joined: " + ErrorText(error)};
}

// To join is to push out whoever has this name. A process that stood still and was replaced meanwhile must not do that:
// first the group has to say that nobody else has the name. A lane that held partitions knows its id. One that was
// joining may have been given one that it never heard of: that member is dead, and the group forgets it.
Status KafkaSource::TryJoin(int64_t wait_ns) {
  const std::string mine = HeldId();
  const Result<std::string> holder = HolderOfName();
  if (holder.ok() && (holder->empty() || *holder == mine)) return Join();
  const int64_t now = Clock::Real().NowNs();
  if (!holder.ok()) {
    name_taken_by_ns_ = 0;  // a broker that comes back gives all members another session
  } else if (name_taken_by_ns_ == 0) {
    name_taken_by_ns_ = now + ForgottenNs() + static_cast<int64_t>(std::random_device()() % kMostApartNs);
  }
  if (holder.ok() && (!mine.empty() || now >= name_taken_by_ns_)) return stop_ = NameTaken();
  std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(wait_ns, kAskAgainNs)));
  return Status::Ok();
}

// The client will not work again, whether brokers were right or not: one that missed its session while they were away
// goes on asking them without its member id, and they answer that another has the name.
Status KafkaSource::OnFence() {
  if (!holds_) return StartOver();
  event_ = SourceEvent::kLost;
  event_partitions_.clear();
  for (const PartitionId partition : told_partitions_) event_partitions_.push_back(lane_.partitions->at(partition));
  return Status::Ok();
}

Status KafkaSource::StartOver() {
  if (lane_.warn) lane_.warn("the Kafka consumer \"" + MemberName() + "\" is made anew: its group gave it up");
  CloseClient();
  lost_ = fenced_ = joined_ = false;
  name_taken_by_ns_ = 0;
  return Connect();
}

void KafkaSource::CloseClient() {
  rd_kafka_queue_destroy(queue_);
  queue_ = nullptr;
  client_.reset();  // batches that show messages of it keep it until they let go
}

void KafkaSource::RememberMembership() {
  const MutexLock lock(mutex_);
  metadata_.reset(rd_kafka_consumer_group_metadata(client_->get()));
  // A lane without partitions joins again without being asked, and may get another id.
  member_id_ = told_partitions_.empty() ? "" : MemberId();
}

void KafkaSource::ForgetMembership() {
  const MutexLock lock(mutex_);
  member_id_.clear();
}

KafkaGroupMetadata KafkaSource::GroupMetadata() const {
  const MutexLock lock(mutex_);
  if (metadata_ == nullptr) return nullptr;
  // The library has no copy function but writes and reads the same bytes.
  const void* bytes = nullptr;
  size_t size = 0;
  const KafkaError written(rd_kafka_consumer_group_metadata_write(metadata_.get(), const_cast<void**>(&bytes), &size));
  if (written != nullptr) return nullptr;
  rd_kafka_consumer_group_metadata_t* copy = nullptr;
  const KafkaError read(rd_kafka_consumer_group_metadata_read(&copy, bytes, size));
  rd_kafka_mem_free(nullptr, const_cast<void*>(bytes));
  return KafkaGroupMetadata(read == nullptr ? copy : nullptr);
}

// The member id that has our name in the group; empty when nobody has. Brokers make a static member's id of its name,
// a dash and a UUID. (The library's newer call, which gives the name itself, ends the program when it times out.)
Result<std::string> KafkaSource::HolderOfName() const {
  const struct rd_kafka_group_list* groups = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_list_groups(client_->get(), group_.c_str(), &groups, kAskGroupMs);
  const std::unique_ptr<const struct rd_kafka_group_list, GroupListDeleter> owned(groups);
  // Partial: some broker did not answer, but the one that has the group did.
  const bool answered = error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__PARTIAL;
  if (!answered || (groups->group_cnt > 0 && groups->groups[0].err != 0)) {
    return Status(Code::kRetry, "group \"" + group_ + "\" on " + settings_->options.Servers() + " does not answer");
  }
  const std::string prefix = MemberName() + "-";
  for (int g = 0; g < groups->group_cnt; ++g) {
    for (int m = 0; m < groups->groups[g].member_cnt; ++m) {
      const std::string_view id = groups->groups[g].members[m].member_id;
      if (id.starts_with(prefix) && id.size() == prefix.size() + kUuidChars) return std::string(id);
    }
  }
  return std::string();
}

Status KafkaSource::CheckName() {
  const std::string mine = HeldId();
  if (mine.empty()) return Status::Ok();
  ASSIGN_OR_RETURN(const std::string holder, HolderOfName());
  return holder.empty() || holder == mine ? Status::Ok() : NameTaken();
}

std::string KafkaSource::HeldId() const {
  const MutexLock lock(mutex_);
  return member_id_;
}

// After this time the group has forgotten a member that sends nothing.
int64_t KafkaSource::ForgottenNs() const {
  return (Number(settings_->options.Value("session.timeout.ms", "10000")) + kSessionMarginMs) * kNsPerMs;
}

Status KafkaSource::NameTaken() const {
  return {Code::kFenced, "another process runs as instance \"" + lane_.instance + "\" of topology \"" + lane_.topology +
                             "\" (member \"" + MemberName() + "\" of group \"" + group_ + "\" on " +
                             settings_->options.Servers() + "), so this one, process " + std::to_string(getpid()) +
                             ", stops: give each process its own --instance"};
}

std::string KafkaSource::MemberId() const {
  char* id = rd_kafka_memberid(client_->get());
  std::string text = id == nullptr ? "" : id;
  rd_kafka_mem_free(client_->get(), id);
  return text;
}

// A static member that only closes keeps its partitions until its session runs out, for a process that comes back. One
// that unsubscribes first leaves the group, and the others have its partitions at once.
void KafkaSource::LeaveGroup() {
  const int64_t deadline = Clock::Real().NowNs() + kCloseWaitNs;
  rd_kafka_assign(client_->get(), nullptr);  // before the close: after it the call may never return
  if (!settings_->read_back) rd_kafka_unsubscribe(client_->get());
  // Nor may the one that answers an assignment reported by now: nobody waits for that any more, and the close would be
  // quick. The member's id goes when the group learns that it leaves.
  while (true) {
    rd_kafka_message_t* message = rd_kafka_consume_queue(queue_, kLeavePollMs);
    if (message != nullptr) rd_kafka_message_destroy(message);
    if (message == nullptr && MemberId().empty()) break;
    if (Clock::Real().NowNs() > deadline) return;
  }
  rd_kafka_queue_t* events = rd_kafka_queue_new(client_->get());
  const KafkaError error(rd_kafka_consumer_close_queue(client_->get(), events));
  while (error == nullptr && rd_kafka_consumer_closed(client_->get()) == 0 && Clock::Real().NowNs() < deadline) {
    rd_kafka_message_t* message = rd_kafka_consume_queue(events, 50);
    if (message != nullptr) rd_kafka_message_destroy(message);
  }
  rd_kafka_queue_destroy(events);
}

}  // namespace anabranch
