package anabranch.peers;

/** A record on its way through the Flink job; public fields and constructor make it one of Flink's POJO types. */
public final class Keyed {
  public byte[] key;
  public byte[] value;

  public Keyed() {}

  Keyed(byte[] key, byte[] value) {
    this.key = key;
    this.value = value;
  }
}
