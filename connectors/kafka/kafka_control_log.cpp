#include "connectors/kafka/kafka_control_log.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_source.h"
#include "engine/clock.h"
#include "engine/models/control_log.h"
#include "engine/models/newest_entries.h"
#include "engine/mutex.h"

namespace anabranch {
namespace {

constexpr int kAnswerMs = 5'000;  // of a broker, to one question
constexpr int kPollMs = 100;
constexpr int64_t kProgressNs = 20'000'000'000;  // so long without an entry
constexpr size_t kUuidLength = 36;

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

struct GroupsDeleter {
  void operator()(const struct rd_kafka_group_list* groups) const { rd_kafka_group_list_destroy(groups); }
};

// Every entry has a key of its own, so that a topic that is compacted keeps all; but for those that replace others.
std::string KeyOf(const ControlEntry& entry) {
  if (std::string key = ReplacedBy(entry); !key.empty()) return key;
  std::random_device random;
  char text[24];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

// "7" of the member "fraud.7.0-UUID" of the topology "fraud"; empty: it is no member of this topology.
std::string InstanceOf(std::string_view member, const std::string& topology) {
  const std::string prefix = topology + ".";
  if (!member.starts_with(prefix) || member.size() < prefix.size() + kUuidLength + 1) return {};
  member = member.substr(prefix.size(), member.size() - prefix.size() - kUuidLength - 1);
  return std::string(member.substr(0, std::min(member.rfind('.'), member.size())));
}

class KafkaControlLog : public ControlLog {
 public:
  KafkaControlLog(ClientOptions options, std::string topic, std::string topology, std::set<std::string> groups)
      : options_(std::move(options)),
        name_(std::move(topic)),
        topology_(std::move(topology)),
        groups_(std::move(groups)) {}

  ~KafkaControlLog() override {
    if (read_from_ != nullptr) rd_kafka_consume_stop(read_from_.get(), 0);
  }

  Status Open();
  Result<uint32_t> Append(const ControlEntry& entry) override;
  Result<std::vector<ControlEntry>> Read(uint32_t after, int wait_ms) override;
  Result<std::optional<std::vector<std::string>>> Members() override;
  std::string Describe() const override { return "topic " + name_ + " on " + options_.Servers(); }

 private:
  struct Delivery {
    bool done = false;
    int error = 0;
    int64_t offset = -1;
  };

  Status Away(const std::string& what, int error) const {
    return {Code::kUnavailable,
            Describe() + " cannot be " + what + ": " + ErrorText(error) + "; " + reader_->Complaint()};
  }
  Status OpenWriter();
  Status SeekTo(int64_t offset);
  Status Take(const rd_kafka_message_t& message, NewestEntries* entries);

  const ClientOptions options_;
  const std::string name_, topology_;
  const std::set<std::string> groups_;
  Mutex write_mutex_;
  std::shared_ptr<KafkaClient> writer_;
  KafkaTopic write_to_;
  Mutex read_mutex_;
  std::shared_ptr<KafkaClient> reader_;
  KafkaTopic read_from_;
  int64_t next_ = -1;  // offset that comes next; -1: nothing is read yet
};

Status KafkaControlLog::Open() {
  const std::string topics[] = {name_};
  ASSIGN_OR_RETURN(const std::vector<TopicFacts> found, FindTopics(options_, topics, kConnectWaitNs, nullptr, nullptr));
  if (found[0].partitions == 0) {
    return {Code::kUnavailable, "topic \"" + name_ + "\" (\"control\") does not exist on " + options_.Servers() +
                                    "; make it: anabranch topics FILE --create, or " +
                                    CreateTopicCommand(name_, options_) + " (with one partition)"};
  }
  if (found[0].partitions != 1) {
    return {Code::kInvalid, "topic \"" + name_ + "\" (\"control\") has " + std::to_string(found[0].partitions) +
                                " partitions; the instances agree on an order of entries, so it has one: name another "
                                "topic"};
  }
  ASSIGN_OR_RETURN(reader_, KafkaClient::Make(KafkaClient::Kind::kConsumer, options_, {},
                                              {{"enable.partition.eof", "true"},
                                               {"auto.offset.reset", "earliest"},
                                               {"allow.auto.create.topics", "false"}},
                                              {}));
  read_from_ = reader_->Topic(name_);
  const MutexLock lock(write_mutex_);
  return OpenWriter();
}

Status KafkaControlLog::OpenWriter() {
  write_to_.reset();  // before its client
  ClientHooks hooks;
  hooks.undelivered = hooks.delivered = [](const rd_kafka_message_t& message) {
    auto* delivery = static_cast<Delivery*>(message._private);
    *delivery = {true, message.err, message.offset};
  };
  ASSIGN_OR_RETURN(
      writer_, KafkaClient::Make(KafkaClient::Kind::kProducer, options_, {{"linger.ms", "0"}},
                                 {{"enable.idempotence", "true"}, {"message.timeout.ms", "8000"}}, std::move(hooks)));
  write_to_ = writer_->Topic(name_);
  return Status::Ok();
}

Result<uint32_t> KafkaControlLog::Append(const ControlEntry& entry) {
  const std::string key = KeyOf(entry), value = PrintControlEntry(entry);
  const MutexLock lock(write_mutex_);
  if (writer_->FatalError(nullptr) != 0) RETURN_IF_ERROR(OpenWriter());  // it will never write again
  Delivery delivery;
  const rd_kafka_resp_err_t refused = rd_kafka_producev(
      writer_->get(), RD_KAFKA_V_RKT(write_to_.get()), RD_KAFKA_V_PARTITION(0),
      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_OPAQUE(&delivery), RD_KAFKA_V_END);
  if (refused != RD_KAFKA_RESP_ERR_NO_ERROR) return Away("written", refused);
  // The library ends the wait by itself; only then nothing refers to `delivery` any more.
  while (!delivery.done) rd_kafka_poll(writer_->get(), kPollMs);
  if (delivery.error != 0) {
    return Status(Code::kUnavailable,
                  Describe() + " cannot be written: " + ErrorText(delivery.error) + "; " + writer_->Complaint());
  }
  return static_cast<uint32_t>(delivery.offset + 1);
}

Status KafkaControlLog::SeekTo(int64_t offset) {
  if (next_ == offset) return Status::Ok();
  if (next_ >= 0) rd_kafka_consume_stop(read_from_.get(), 0);
  next_ = -1;
  if (rd_kafka_consume_start(read_from_.get(), 0, offset) != 0) return Away("read", rd_kafka_last_error());
  next_ = offset;
  return Status::Ok();
}

Status KafkaControlLog::Take(const rd_kafka_message_t& message, NewestEntries* entries) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    next_ = std::max(next_, message.offset);
    return Status::Ok();
  }
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Away("read", message.err);
  next_ = message.offset + 1;
  const std::string_view text(static_cast<const char*>(message.payload), message.len);
  ASSIGN_OR_RETURN(ControlEntry entry,
                   ReadControlEntry(text, Describe() + ", offset " + std::to_string(message.offset)));
  entry.number = static_cast<uint32_t>(message.offset + 1);
  entries->Add(std::move(entry));
  return Status::Ok();
}

Result<std::vector<ControlEntry>> KafkaControlLog::Read(uint32_t after, int wait_ms) {
  const MutexLock lock(read_mutex_);
  int64_t low = 0, high = 0;
  const rd_kafka_resp_err_t asked =
      rd_kafka_query_watermark_offsets(reader_->get(), name_.c_str(), 0, &low, &high, kAnswerMs);
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return Away("read", asked);
  RETURN_IF_ERROR(SeekTo(std::max<int64_t>(low, after)));
  NewestEntries entries;
  int64_t progress = Clock::Real().NowNs();  // when the last entry came
  const int64_t patient = progress + wait_ms * kNsPerMs;
  while (true) {
    const int64_t now = Clock::Real().NowNs();
    const bool behind = next_ < high;
    if (!behind && (!entries.empty() || now >= patient)) return std::move(entries).Take();
    if (behind && now - progress > kProgressNs) return Away("read", RD_KAFKA_RESP_ERR__TIMED_OUT);
    const int64_t left_ms = behind ? kPollMs : std::max<int64_t>(1, (patient - now) / kNsPerMs);
    const Message message(rd_kafka_consume(read_from_.get(), 0, static_cast<int>(std::min<int64_t>(kPollMs, left_ms))));
    rd_kafka_poll(reader_->get(), 0);
    if (message == nullptr) continue;
    RETURN_IF_ERROR(Take(*message, &entries));
    progress = Clock::Real().NowNs();
  }
}

Result<std::optional<std::vector<std::string>>> KafkaControlLog::Members() {
  if (groups_.empty()) return std::optional<std::vector<std::string>>();
  std::set<std::string> instances;
  for (const std::string& group : groups_) {
    const struct rd_kafka_group_list* groups = nullptr;
    const rd_kafka_resp_err_t error = rd_kafka_list_groups(reader_->get(), group.c_str(), &groups, kAnswerMs);
    const std::unique_ptr<const struct rd_kafka_group_list, GroupsDeleter> owned(groups);
    // Partial: some broker did not answer, but the one that has the group did.
    const bool answered = error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__PARTIAL;
    if (!answered || (groups->group_cnt > 0 && groups->groups[0].err != 0)) {
      return Status(Code::kUnavailable, "group \"" + group + "\" on " + options_.Servers() +
                                            " does not tell its members: " + ErrorText(error));
    }
    for (int g = 0; g < groups->group_cnt; ++g) {
      for (int m = 0; m < groups->groups[g].member_cnt; ++m) {
        const std::string instance = InstanceOf(groups->groups[g].members[m].member_id, topology_);
        if (!instance.empty()) instances.insert(instance);
      }
    }
  }
  return std::optional(std::vector<std::string>(instances.begin(), instances.end()));
}

}  // namespace

Result<std::unique_ptr<ControlLog>> KafkaControlProgram::Open(const ControlPlace& place) const {
  std::set<std::string> groups;
  for (const SourceProgram* source : place.sources) {
    const auto* kafka = dynamic_cast<const KafkaSourceProgram*>(&source->origin());
    if (kafka != nullptr) groups.insert(GroupOf(kafka->settings(), place.topology));
  }
  auto log = std::make_unique<KafkaControlLog>(options_, topic_, place.topology, std::move(groups));
  RETURN_IF_ERROR(log->Open());
  return std::unique_ptr<ControlLog>(std::move(log));
}

}  // namespace anabranch
