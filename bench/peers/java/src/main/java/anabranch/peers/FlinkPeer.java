package anabranch.peers;

import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Topic → score → topic as a Flink job in this JVM: source, map and sink in one chain, a model session per subtask. */
public final class FlinkPeer {
  // As often as Kafka Streams commits by default when it need not be exactly once.
  private static final int AT_LEAST_ONCE_CHECKPOINT_MS = 30_000;
  private static final int TRANSACTION_TIMEOUT_MS = 600_000; // Flink's own hour is more than a broker allows
  private static final int CANCEL_WITHIN_S = 8;

  private FlinkPeer() {}

  public static void main(String[] args) {
    Options options;
    try {
      options = Options.parse(args);
    } catch (IllegalArgumentException e) {
      System.err.println("flink: " + e.getMessage());
      System.exit(2);
      return;
    }
    System.exit(run(options));
  }

  private static int run(Options options) {
    Ending ending = new Ending();
    try (TempFolder folder = TempFolder.make("flink-")) {
      JobClient job = build(options, folder).executeAsync(options.group());
      job.getJobExecutionResult().whenComplete((result, e) -> ending.fail("flink", e != null ? e : byItself()));
      int code = ending.await();
      if (code == 0) cancel(job);
      Scorer.reportRejected();
      return code;
    } catch (Exception e) {
      ending.fail("flink", e);
      return 1;
    }
  }

  private static Exception byItself() {
    return new IllegalStateException("the job ended by itself");
  }

  private static void cancel(JobClient job) throws InterruptedException {
    try {
      job.cancel().get(CANCEL_WITHIN_S, TimeUnit.SECONDS);
      job.getJobExecutionResult().get(CANCEL_WITHIN_S, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      // A cancelled job has no result.
    } catch (TimeoutException e) {
      System.err.println("flink: not cancelled within " + CANCEL_WITHIN_S + " s");
    }
  }

  private static StreamExecutionEnvironment build(Options options, TempFolder folder) {
    Configuration configuration = new Configuration();
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
    configuration.set(CoreOptions.TMP_DIRS, folder.path().toString());
    StreamExecutionEnvironment flink =
        StreamExecutionEnvironment.createLocalEnvironment(options.threads(), configuration);
    if (options.exactlyOnce()) {
      flink.enableCheckpointing(options.commitMs(), CheckpointingMode.EXACTLY_ONCE);
    } else {
      flink.enableCheckpointing(AT_LEAST_ONCE_CHECKPOINT_MS, CheckpointingMode.AT_LEAST_ONCE);
    }
    if (options.careless()) {
      boolean echo = options.workload().equals("ffnn_echo");
      flink.fromSource(source(options, new CarelessFlink.Reader()), WatermarkStrategy.noWatermarks(), "in")
          .map(new CarelessFlink.Score(options.model()))
          .sinkTo(sink(options, new CarelessFlink.Writer(options.out(), echo)));
    } else {
      flink.getConfig().enableObjectReuse();
      flink.fromSource(source(options, new Reader()), WatermarkStrategy.noWatermarks(), "in")
          .flatMap(new Score(options.workload(), options.model()))
          .sinkTo(sink(options, new Writer(options.out())));
    }
    return flink;
  }

  private static <T> KafkaSource<T> source(Options options, KafkaRecordDeserializationSchema<T> reader) {
    Properties properties = new Properties();
    properties.putAll(Tuning.consumer(options));
    return KafkaSource.<T>builder()
        .setBootstrapServers(options.bootstrap())
        .setTopics(options.in())
        .setGroupId(options.group())
        .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
        .setDeserializer(reader)
        .setProperties(properties)
        .build();
  }

  private static <T> KafkaSink<T> sink(Options options, KafkaRecordSerializationSchema<T> writer) {
    Properties properties = new Properties();
    properties.putAll(Tuning.producer(options));
    if (options.exactlyOnce()) properties.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, TRANSACTION_TIMEOUT_MS);
    return KafkaSink.<T>builder()
        .setBootstrapServers(options.bootstrap())
        .setRecordSerializer(writer)
        .setDeliveryGuarantee(options.exactlyOnce() ? DeliveryGuarantee.EXACTLY_ONCE : DeliveryGuarantee.AT_LEAST_ONCE)
        .setTransactionalIdPrefix(options.group())
        .setKafkaProducerConfig(properties)
        .build();
  }

  private static final class Score extends RichFlatMapFunction<Keyed, Keyed> {
    private static final long serialVersionUID = 1;
    private final String workload;
    private final String model;
    private transient Scorer scorer;

    Score(String workload, String model) {
      this.workload = workload;
      this.model = model;
    }

    @Override
    public void open(OpenContext context) {
      scorer = Scorer.of(workload, false, model);
    }

    @Override
    public void flatMap(Keyed record, Collector<Keyed> out) throws Exception {
      byte[] result = scorer.score(record.value);
      if (result != null) out.collect(new Keyed(record.key, result));
    }

    @Override
    public void close() {
      if (scorer != null) scorer.close();
    }
  }

  private static final class Reader implements KafkaRecordDeserializationSchema<Keyed> {
    private static final long serialVersionUID = 1;

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Keyed> out) {
      out.collect(new Keyed(record.key(), record.value()));
    }

    @Override
    public TypeInformation<Keyed> getProducedType() {
      return TypeInformation.of(Keyed.class);
    }
  }

  private static final class Writer implements KafkaRecordSerializationSchema<Keyed> {
    private static final long serialVersionUID = 1;
    private final String topic;

    Writer(String topic) {
      this.topic = topic;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(Keyed record, KafkaSinkContext context, Long timestamp) {
      return new ProducerRecord<>(topic, record.key, record.value);
    }
  }
}
