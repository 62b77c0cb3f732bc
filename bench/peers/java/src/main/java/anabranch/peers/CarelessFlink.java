package anabranch.peers;

import ai.onnxruntime.OrtException;
import java.io.IOException;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The steps of the careless Flink job: source, map and sink hand over batches of a class that Flink does not know, so
 * without object reuse its general serializer copies them from step to step.
 */
final class CarelessFlink {
  private CarelessFlink() {}

  static final class Reader implements KafkaRecordDeserializationSchema<CarelessBatch> {
    private static final long serialVersionUID = 1;

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<CarelessBatch> out) throws IOException {
      CarelessBatch batch = CarelessBatch.read(record.value());
      batch.key = record.key();
      out.collect(batch);
    }

    @Override
    public TypeInformation<CarelessBatch> getProducedType() {
      return TypeInformation.of(CarelessBatch.class);
    }
  }

  static final class Score extends RichMapFunction<CarelessBatch, CarelessBatch> {
    private static final long serialVersionUID = 1;
    private final String model;
    private transient CarelessScorer scorer;

    Score(String model) {
      this.model = model;
    }

    @Override
    public void open(OpenContext context) throws OrtException {
      scorer = new CarelessScorer(model, false);
    }

    @Override
    public CarelessBatch map(CarelessBatch batch) throws OrtException {
      scorer.infer(batch);
      return batch;
    }

    @Override
    public void close() {
      if (scorer != null) scorer.close();
    }
  }

  static final class Writer implements KafkaRecordSerializationSchema<CarelessBatch> {
    private static final long serialVersionUID = 1;
    private final String topic;
    private final boolean echo;

    Writer(String topic, boolean echo) {
      this.topic = topic;
      this.echo = echo;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(CarelessBatch batch, KafkaSinkContext context, Long timestamp) {
      try {
        return new ProducerRecord<>(topic, batch.key, batch.write(echo));
      } catch (IOException e) {
        throw new IllegalStateException("a result cannot be written: " + e.getMessage(), e);
      }
    }
  }
}
