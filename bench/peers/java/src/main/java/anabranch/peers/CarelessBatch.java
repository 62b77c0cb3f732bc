package anabranch.peers;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * A record of the careless variants, with the habits of the published Crayfish adapters: boxed floats in lists;
 * an ObjectMapper made, and taught this class, for each record both ways; a tree in between; with echo the text of
 * every float is made again.
 */
public final class CarelessBatch implements Serializable {
  private static final long serialVersionUID = 1;

  byte[] key; // for Flink, where key and value travel together
  long creationTimestamp;
  List<List<Float>> points = new ArrayList<>();
  List<Float> prediction;

  static CarelessBatch read(byte[] json) throws IOException {
    SimpleModule module = new SimpleModule();
    module.addDeserializer(CarelessBatch.class, new Reader());
    return new ObjectMapper().registerModule(module).readValue(json, CarelessBatch.class);
  }

  byte[] write(boolean echo) throws IOException {
    SimpleModule module = new SimpleModule();
    module.addSerializer(CarelessBatch.class, new Writer(echo));
    return new ObjectMapper().registerModule(module).writeValueAsBytes(this);
  }

  private static final class Reader extends StdDeserializer<CarelessBatch> {
    private static final long serialVersionUID = 1;

    Reader() {
      super(CarelessBatch.class);
    }

    @Override
    public CarelessBatch deserialize(JsonParser parser, DeserializationContext context) throws IOException {
      JsonNode tree = parser.getCodec().readTree(parser);
      CarelessBatch batch = new CarelessBatch();
      batch.creationTimestamp = tree.get("creationTimestamp").longValue();
      String[] texts = tree.get("dataPoint").textValue().split(",");
      int width = tree.get("dataPointSz2").intValue();
      for (int row = 0; row < tree.get("dataPointSz1").intValue(); ++row) {
        List<Float> point = new ArrayList<>();
        for (int i = 0; i < width; ++i) point.add(Float.valueOf(texts[row * width + i]));
        batch.points.add(point);
      }
      return batch;
    }
  }

  private static final class Writer extends StdSerializer<CarelessBatch> {
    private static final long serialVersionUID = 1;
    private final boolean echo;

    Writer(boolean echo) {
      super(CarelessBatch.class);
      this.echo = echo;
    }

    @Override
    public void serialize(CarelessBatch batch, JsonGenerator json, SerializerProvider provider) throws IOException {
      json.writeStartObject();
      if (echo) {
        json.writeNumberField("creationTimestamp", batch.creationTimestamp);
        json.writeNumberField("dataPointSz1", batch.points.size());
        json.writeNumberField("dataPointSz2", batch.points.get(0).size());
        StringBuilder texts = new StringBuilder();
        for (List<Float> point : batch.points) {
          for (Float number : point) texts.append(number).append(',');
        }
        json.writeStringField("dataPoint", texts.toString());
      }
      json.writeArrayFieldStart("prediction");
      for (Float probability : batch.prediction) json.writeNumber(probability);
      json.writeEndArray();
      json.writeEndObject();
    }
  }
}
