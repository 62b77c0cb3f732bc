#include "bench/load/relay_loop.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "bench/load/arguments.h"

namespace anabranch::bench {
namespace {

constexpr int kLookAfter = 256;  // records between two looks at the clock
constexpr int kIdleMs = 10;
constexpr int kSettleMs = 8'000;  // a stop must be through in ten seconds

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Check(rd_kafka_error_t* error, const char* what) {
  if (error == nullptr) return;
  const std::string why = rd_kafka_error_string(error);
  rd_kafka_error_destroy(error);
  Die(std::string(what) + ": " + why);
}

// What was acknowledged, counted per partition on librdkafka's own threads: a delivery report per record would cost the
// loop a tenth of its rate.
class Acknowledged {
 public:
  explicit Acknowledged(int partitions) : counts_(static_cast<size_t>(partitions)) {}

  void CountFor(rd_kafka_conf_t* conf) {
    rd_kafka_conf_interceptor_add_on_new(conf, "acknowledged", &Acknowledged::OnNew, this);
  }
  bool Reached(const std::vector<int64_t>& sent) const {
    for (size_t p = 0; p < sent.size(); ++p) {
      if (counts_[p].load(std::memory_order_acquire) < sent[p]) return false;
    }
    return true;
  }

 private:
  static rd_kafka_resp_err_t OnNew(rd_kafka_t* client, const rd_kafka_conf_t*, void* self, char*, size_t) {
    return rd_kafka_interceptor_add_on_acknowledgement(client, "acknowledged", &Acknowledged::OnOne, self);
  }
  static rd_kafka_resp_err_t OnOne(rd_kafka_t*, rd_kafka_message_t* message, void* self) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      Die(std::string("a record was not delivered: ") + rd_kafka_err2str(message->err));
    }
    static_cast<Acknowledged*>(self)->counts_[static_cast<size_t>(message->partition)].fetch_add(
        1, std::memory_order_release);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  std::vector<std::atomic<int64_t>> counts_;
};

Properties ConsumerProperties(const RelayOptions& options) {
  Properties all = {{"group.id", options.group}, {"enable.auto.commit", "false"}, {"auto.offset.reset", "earliest"},
                    {"check.crcs", "true"},      {"fetch.wait.max.ms", "100"},    {"socket.nagle.disable", "true"}};
  if (options.linger_ms != "default") {
    all.emplace_back("queued.min.messages", std::to_string(options.queued_records));
    all.emplace_back("queued.max.messages.kbytes", std::to_string(options.queued_kbytes));
  }
  all.insert(all.end(), options.consumer.begin(), options.consumer.end());
  return all;
}

Properties ProducerProperties(const RelayOptions& options) {
  Properties all = {{"enable.idempotence", "true"}, {"socket.nagle.disable", "true"}};
  if (options.linger_ms != "default") {
    all.emplace_back("linger.ms", options.linger_ms);
    all.emplace_back("batch.size", "1000000");
    all.emplace_back("queue.buffering.max.messages", "500000");
  }
  if (options.exactly_once) {
    all.emplace_back("transactional.id", options.transactional_id);
    all.emplace_back("retry.backoff.ms", "10");  // else each transaction may wait 100 ms for the end of the last one
  }
  all.insert(all.end(), options.producer.begin(), options.producer.end());
  return all;
}

class Loop {
 public:
  Loop(const RelayOptions& options, std::atomic<int64_t>* relayed) : options_(options), relayed_(relayed) {
    {
      const Client asking = MakeProducer(options.bootstrap, {});
      out_partitions_ = PartitionsOf(asking.get(), options.out);
    }
    acknowledged_ = std::make_unique<Acknowledged>(out_partitions_);
    sent_.assign(static_cast<size_t>(out_partitions_), 0);
    producer_ = MakeProducer(options.bootstrap, ProducerProperties(options),
                             [this](rd_kafka_conf_t* conf) { acknowledged_->CountFor(conf); });
    if (options.exactly_once) Check(rd_kafka_init_transactions(producer_.get(), 30'000), "init_transactions");
    out_ = OpenTopic(producer_.get(), options.out);
    consumer_ = MakeConsumer(options.bootstrap, ConsumerProperties(options), [this](rd_kafka_conf_t* conf) {
      rd_kafka_conf_set_opaque(conf, this);
      rd_kafka_conf_set_rebalance_cb(conf, &Loop::OnRebalance);
    });
    queue_ = rd_kafka_queue_get_consumer(consumer_.get());
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, options.in.c_str(), RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(consumer_.get(), topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Die(rd_kafka_err2str(error));
  }

  ~Loop() {
    rd_kafka_queue_destroy(queue_);
    rd_kafka_consumer_close(consumer_.get());  // gives the partitions back: OnRebalance settles, and needs the client
    rd_kafka_destroy(consumer_.release());
    out_.reset();
  }

  void Run(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) {
      for (int taken = 0; taken < kLookAfter;) {
        const int more = TakeWaiting();
        if (more == 0) break;
        taken += more;
      }
      const int64_t now = NowMs();
      Tend(now);
      if (!drained_) continue;
      if (rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_.get(), WaitMs(now))) Take(message);
    }
  }

 private:
  static void OnRebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions,
                          void* opaque) {
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      rd_kafka_assign(consumer, partitions);
      return;
    }
    static_cast<Loop*>(opaque)->Settle();
    rd_kafka_assign(consumer, nullptr);
  }

  // How many were taken without waiting; remembers when there was nothing.
  int TakeWaiting() {
    if (options_.batch_consume) {
      const ssize_t count = rd_kafka_consume_batch_queue(queue_, 0, batch_.data(), batch_.size());
      for (ssize_t i = 0; i < count; ++i) Take(batch_[static_cast<size_t>(i)]);
      drained_ = count <= 0;
      return drained_ ? 0 : static_cast<int>(count);
    }
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_.get(), 0);
    drained_ = message == nullptr;
    if (!drained_) Take(message);
    return drained_ ? 0 : 1;
  }

  void Take(rd_kafka_message_t* message) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (options_.exactly_once && !open_) Begin();
      const auto from = static_cast<size_t>(message->partition);
      const int to = message->partition % out_partitions_;
      while (rd_kafka_produce(out_.get(), to, RD_KAFKA_MSG_F_COPY, message->payload, message->len, message->key,
                              message->key_len, nullptr) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) Die(rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(producer_.get(), 1);
      }
      ++sent_[static_cast<size_t>(to)];
      ++count_;
      if (from >= positions_.size()) positions_.resize(from + 1, RD_KAFKA_OFFSET_INVALID);
      positions_[from] = message->offset + 1;
      moved_ = true;
    } else {
      std::fprintf(stderr, "relay: %s\n", rd_kafka_message_errstr(message));
      if (message->err == RD_KAFKA_RESP_ERR__FATAL) Die("relay: fatal");
    }
    rd_kafka_message_destroy(message);
  }

  void Begin() {
    Check(rd_kafka_begin_transaction(producer_.get()), "begin_transaction");
    open_ = true;
    begun_ms_ = NowMs();
  }

  void Tend(int64_t now) {
    rd_kafka_poll(producer_.get(), 0);
    if (relayed_ != nullptr) relayed_->store(count_, std::memory_order_relaxed);
    if (options_.exactly_once) {
      if (open_ && now - begun_ms_ >= options_.commit_ms) CommitTransaction();
      return;
    }
    if (!waiting_ && moved_ && now - begun_ms_ >= options_.commit_ms) {
      waiting_ = true;
      moved_ = false;
      waiting_sent_ = sent_;
      waiting_positions_ = positions_;
    }
    if (waiting_ && acknowledged_->Reached(waiting_sent_)) {
      Commit(waiting_positions_, true);
      waiting_ = false;
      begun_ms_ = now;
    }
  }

  int WaitMs(int64_t now) const {
    if (!open_) return kIdleMs;
    return static_cast<int>(std::clamp<int64_t>(begun_ms_ + options_.commit_ms - now, 1, kIdleMs));
  }

  // Everything taken so far is acknowledged and committed.
  void Settle() {
    if (options_.exactly_once) {
      if (open_) CommitTransaction();
    } else {
      Flush(producer_.get(), kSettleMs);
      Commit(positions_, false);
      waiting_ = moved_ = false;
    }
    positions_.clear();
    if (relayed_ != nullptr) relayed_->store(count_, std::memory_order_relaxed);
  }

  using List = std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)>;
  List ListOf(const std::vector<int64_t>& positions) const {
    List list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())),
              &rd_kafka_topic_partition_list_destroy);
    for (size_t p = 0; p < positions.size(); ++p) {
      if (positions[p] == RD_KAFKA_OFFSET_INVALID) continue;
      rd_kafka_topic_partition_list_add(list.get(), options_.in.c_str(), static_cast<int>(p))->offset = positions[p];
    }
    return list;
  }

  void Commit(const std::vector<int64_t>& positions, bool in_background) {
    const List list = ListOf(positions);
    if (list->cnt == 0) return;
    const rd_kafka_resp_err_t error = rd_kafka_commit(consumer_.get(), list.get(), in_background ? 1 : 0);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) std::fprintf(stderr, "relay: commit: %s\n", rd_kafka_err2str(error));
  }

  void CommitTransaction() {
    const List list = ListOf(positions_);
    rd_kafka_consumer_group_metadata_t* group = rd_kafka_consumer_group_metadata(consumer_.get());
    Check(rd_kafka_send_offsets_to_transaction(producer_.get(), list.get(), group, kSettleMs), "send_offsets");
    rd_kafka_consumer_group_metadata_destroy(group);
    Check(rd_kafka_commit_transaction(producer_.get(), kSettleMs), "commit_transaction");
    open_ = false;
    positions_.clear();
  }

  const RelayOptions options_;
  std::atomic<int64_t>* relayed_;
  int out_partitions_ = 0;
  std::unique_ptr<Acknowledged> acknowledged_;
  Client producer_;
  Topic out_;
  Client consumer_;
  rd_kafka_queue_t* queue_ = nullptr;
  std::array<rd_kafka_message_t*, kLookAfter> batch_{};
  bool drained_ = false;

  int64_t count_ = 0;
  std::vector<int64_t> sent_;       // per partition of OUT
  std::vector<int64_t> positions_;  // per partition of IN: the next offset
  bool moved_ = false;
  int64_t begun_ms_ = 0;  // the open transaction; at least once: the last commit
  bool open_ = false;     // a transaction
  bool waiting_ = false;  // for the acknowledgement of waiting_sent_, to commit waiting_positions_
  std::vector<int64_t> waiting_sent_, waiting_positions_;
};

}  // namespace

void RelayUntil(const std::atomic<bool>& stop, const RelayOptions& options, std::atomic<int64_t>* relayed) {
  Loop loop(options, relayed);
  loop.Run(stop);
}

}  // namespace anabranch::bench
