import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * What Kafka Streams gives for a stream, one job per line of standard input, one answer per line of standard output. Times are in milliseconds. A job is
 * one partition, and the stream time of Kafka Streams is its only clock.
 *
 * <pre>
 * {"kind": "fixed", "size": 60000, "every": 60000, "grace": 0, "rows": [[key, time, number or null], …]}
 * {"kind": "session", "gap": 60000, "grace": 0, "rows": …}            the gap is inclusive here
 * {"kind": "join", "before": 0, "after": 60000, "grace": 0, "left": true, "rows": [[key, time, number, "left" or "right"], …]}
 * {"kind": "dedupe", "within": 60000, "lateness": 0, "rows": …}
 * </pre>
 *
 * An answer is a list of [number of the row that carried it, key, text], where the text is "start,end,rows,sum" of a window, "left,right" of a pair (the
 * numbers of the rows; "null" on the right when unmatched) or the row's number.
 */
public final class StreamsDriver {
  private static final ObjectMapper JSON = new ObjectMapper();

  private StreamsDriver() {}

  public static void main(String[] args) throws IOException {
    Path state = Files.createTempDirectory("streams-driver");
    try (BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        System.out.println(JSON.writeValueAsString(answer(JSON.readTree(line), state)));
      }
    } finally {
      remove(state);
    }
  }

  private static ArrayNode answer(JsonNode job, Path state) {
    ArrayNode found = JSON.createArrayNode();
    try (TopologyTestDriver driver = new TopologyTestDriver(topology(job), properties(state))) {
      Map<String, TestInputTopic<String, String>> inputs = new HashMap<>();
      for (String side : job.get("kind").asText().equals("join") ? new String[] {"left", "right"} : new String[] {"left"}) {
        inputs.put(side, driver.createInputTopic(side, new StringSerializer(), new StringSerializer()));
      }
      TestOutputTopic<String, String> output = driver.createOutputTopic("out", new StringDeserializer(), new StringDeserializer());
      int number = 0;
      for (JsonNode row : job.get("rows")) {
        String text = number + ":" + (row.get(2).isNull() ? "" : row.get(2).asText());
        inputs.get(row.has(3) ? row.get(3).asText() : "left").pipeInput(row.get(0).asText(), text, row.get(1).asLong());
        for (KeyValue<String, String> result : output.readKeyValuesToList()) {
          found.addArray().add(number).add(result.key).add(result.value);
        }
        ++number;
      }
    }
    return found;
  }

  private static Properties properties(Path state) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "driver");
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "127.0.0.1:1");
    properties.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    properties.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
    properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    // Else unmatched rows would leave at most once per second of the machine's clock.
    properties.put(StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_OUTER_JOIN_SPURIOUS_RESULTS_FIX, 0L);
    return properties;
  }

  private static Topology topology(JsonNode job) {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, String> left = builder.stream("left", Consumed.with(Serdes.String(), Serdes.String()));
    KStream<String, String> result;
    switch (job.get("kind").asText()) {
      case "fixed":
        result = fixed(left.groupByKey(Grouped.with(Serdes.String(), Serdes.String())), job);
        break;
      case "session":
        result = session(left.groupByKey(Grouped.with(Serdes.String(), Serdes.String())), job);
        break;
      case "join":
        result = join(left, builder.stream("right", Consumed.with(Serdes.String(), Serdes.String())), job);
        break;
      case "dedupe":
        result = left.process(() -> new Dedupe(job.get("within").asLong(), job.get("lateness").asLong()));
        break;
      default:
        throw new IllegalArgumentException("unknown kind " + job.get("kind") + " (known: fixed, session, join, dedupe)");
    }
    result.to("out", Produced.with(Serdes.String(), Serdes.String()));
    return builder.build();
  }

  private static Duration length(JsonNode job, String name) {
    return Duration.ofMillis(job.get(name).asLong());
  }

  // The text of an aggregate: "rows,sum". A row's text is "number:value".
  private static String add(String row, String sum) {
    String value = row.substring(row.indexOf(':') + 1);
    return merge(sum, "1," + (value.isEmpty() ? "0" : value));
  }

  private static String merge(String one, String other) {
    String[] a = one.split(",");
    String[] b = other.split(",");
    return (Long.parseLong(a[0]) + Long.parseLong(b[0])) + "," + (Long.parseLong(a[1]) + Long.parseLong(b[1]));
  }

  private static KStream<String, String> closed(KTable<Windowed<String>, String> windows) {
    return windows
        .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
        .toStream()
        .map((window, sum) -> KeyValue.pair(window.key(), window.window().start() + "," + window.window().end() + "," + sum));
  }

  private static KStream<String, String> fixed(KGroupedStream<String, String> rows, JsonNode job) {
    TimeWindows windows = TimeWindows.ofSizeAndGrace(length(job, "size"), length(job, "grace")).advanceBy(length(job, "every"));
    return closed(
        rows.windowedBy(windows)
            .aggregate(
                () -> "0,0",
                (key, row, sum) -> add(row, sum),
                Materialized.<String, String, WindowStore<Bytes, byte[]>>with(Serdes.String(), Serdes.String())));
  }

  private static KStream<String, String> session(KGroupedStream<String, String> rows, JsonNode job) {
    return closed(
        rows.windowedBy(SessionWindows.ofInactivityGapAndGrace(length(job, "gap"), length(job, "grace")))
            .aggregate(
                () -> "0,0",
                (key, row, sum) -> add(row, sum),
                (key, one, other) -> merge(one, other),
                Materialized.<String, String, SessionStore<Bytes, byte[]>>with(Serdes.String(), Serdes.String())));
  }

  private static KStream<String, String> join(KStream<String, String> left, KStream<String, String> right, JsonNode job) {
    ValueJoiner<String, String, String> pair = (one, other) -> number(one) + "," + number(other);
    JoinWindows windows =
        JoinWindows.ofTimeDifferenceAndGrace(length(job, "after"), length(job, "grace")).before(length(job, "before")).after(length(job, "after"));
    StreamJoined<String, String, String> stores = StreamJoined.with(Serdes.String(), Serdes.String(), Serdes.String());
    return job.get("left").asBoolean() ? left.leftJoin(right, pair, windows, stores) : left.join(right, pair, windows, stores);
  }

  private static String number(String row) {
    return row == null ? "null" : row.substring(0, row.indexOf(':'));
  }

  private static void remove(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      paths
          .sorted(Comparator.reverseOrder())
          .forEach(
              path -> {
                try {
                  Files.delete(path);
                } catch (IOException error) {
                  throw new UncheckedIOException(error);
                }
              });
    }
  }

  /** Passes a row unless one with its key passed less than `within` before or after it. */
  private static final class Dedupe extends ContextualProcessor<String, String, String, String> {
    private final long within;
    private final long lateness;
    private final Map<String, TreeSet<Long>> passed = new HashMap<>();
    private long top = Long.MIN_VALUE;

    Dedupe(long within, long lateness) {
      this.within = within;
      this.lateness = lateness;
    }

    @Override
    public void process(Record<String, String> row) {
      top = Math.max(top, row.timestamp());
      TreeSet<Long> times = passed.computeIfAbsent(row.key(), key -> new TreeSet<>());
      times.headSet(top - within - lateness, true).clear();
      if (times.subSet(row.timestamp() - within, false, row.timestamp() + within, false).isEmpty()) {
        times.add(row.timestamp());
        context().forward(row.withValue(number(row.value())));
      }
    }
  }
}
