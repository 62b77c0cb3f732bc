package anabranch.peers;

import ai.onnxruntime.OrtException;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/** Topic → score → topic as a Kafka Streams application: one record at a time, a model session per stream thread. */
public final class StreamsPeer {
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(8);

  private final Options options;
  private final Queue<Scorer> scorers = new ConcurrentLinkedQueue<>();
  private final ThreadLocal<Scorer> scorer = ThreadLocal.withInitial(this::newScorer);

  private StreamsPeer(Options options) {
    this.options = options;
  }

  public static void main(String[] args) throws IOException {
    Options options;
    try {
      options = Options.parse(args);
    } catch (IllegalArgumentException e) {
      System.err.println("kafka-streams: " + e.getMessage());
      System.exit(2);
      return;
    }
    System.exit(new StreamsPeer(options).run());
  }

  private int run() throws IOException {
    Ending ending = new Ending();
    try (TempFolder state = TempFolder.make("kafka-streams-");
        KafkaStreams streams = new KafkaStreams(topology(), properties(state))) {
      streams.setUncaughtExceptionHandler(
          e -> {
            ending.fail("kafka-streams", e);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      streams.start();
      int code = ending.await();
      if (!streams.close(CLOSE_WITHIN)) System.err.println("kafka-streams: not closed within " + CLOSE_WITHIN);
      scorers.forEach(Scorer::close);
      Scorer.reportRejected();
      return code;
    }
  }

  private Topology topology() {
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(options.in(), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .processValues(Score::new)
        .to(options.out(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    return builder.build();
  }

  private final class Score extends ContextualFixedKeyProcessor<byte[], byte[], byte[]> {
    @Override
    public void init(FixedKeyProcessorContext<byte[], byte[]> context) {
      super.init(context);
      scorer.get(); // the model is loaded before the first record, not during it
    }

    @Override
    public void process(FixedKeyRecord<byte[], byte[]> record) {
      try {
        byte[] result = scorer.get().score(record.value());
        if (result != null) context().forward(record.withValue(result));
      } catch (OrtException e) {
        throw new IllegalStateException("inference failed: " + e.getMessage(), e);
      }
    }
  }

  private Scorer newScorer() {
    Scorer made = Scorer.of(options.workload(), options.careless(), options.model());
    scorers.add(made);
    return made;
  }

  private Properties properties(TempFolder state) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, options.group());
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap());
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.threads());
    properties.put(StreamsConfig.STATE_DIR_CONFIG, state.path().toString());
    if (options.exactlyOnce()) {
      properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
      properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.commitMs());
    }
    for (Map.Entry<String, Object> entry : Tuning.producer(options).entrySet())
      properties.put(StreamsConfig.producerPrefix(entry.getKey()), entry.getValue());
    for (Map.Entry<String, Object> entry : Tuning.consumer(options).entrySet())
      properties.put(StreamsConfig.consumerPrefix(entry.getKey()), entry.getValue());
    if (options.tuned())
      properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, Tuning.bufferedRecords());
    return properties;
  }
}
