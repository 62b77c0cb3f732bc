package anabranch.peers;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;

/** The Kafka client properties that differ from a system's defaults. */
final class Tuning {
  private static final int BATCH_BYTES = 512 * 1024;
  private static final int POLL_RECORDS = 4000;
  private static final int FETCH_BYTES = 8 << 20;
  private static final int SIZED_BY_THE_SYSTEM = -1;

  private Tuning() {}

  static Map<String, Object> producer(Options options) {
    Map<String, Object> properties = new HashMap<>();
    options.lingerMs().ifPresent(ms -> properties.put(ProducerConfig.LINGER_MS_CONFIG, ms));
    if (options.tuned()) {
      properties.put(ProducerConfig.BATCH_SIZE_CONFIG, BATCH_BYTES);
      // A transactional producer must wait for all.
      if (!options.exactlyOnce()) properties.put(ProducerConfig.ACKS_CONFIG, "1");
    }
    return properties;
  }

  static Map<String, Object> consumer(Options options) {
    if (!options.tuned()) return Map.of();
    return Map.of(
        ConsumerConfig.MAX_POLL_RECORDS_CONFIG, POLL_RECORDS,
        ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, FETCH_BYTES,
        ConsumerConfig.RECEIVE_BUFFER_CONFIG, SIZED_BY_THE_SYSTEM);
  }

  /** Kafka Streams pauses a partition of which it holds more than this, 1,000 by default. */
  static int bufferedRecords() {
    return 4 * POLL_RECORDS;
  }
}
