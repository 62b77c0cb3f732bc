package anabranch.peers;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;

/** The Kafka client properties that differ from a system's defaults. */
final class Tuning {
  private static final int BATCH_BYTES = 512 * 1024;
  private static final int POLL_RECORDS = 4000;

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

  /** For Flink; Kafka Streams pauses a partition of which it holds more than 1,000 records and gets slower. */
  static Map<String, Object> consumer(Options options) {
    return options.tuned() ? Map.of(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, POLL_RECORDS) : Map.of();
  }
}
