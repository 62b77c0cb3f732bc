package anabranch.peers;

import java.util.OptionalInt;

/** What a peer was asked for on its command line; the names are those that every system of the suite takes. */
record Options(
    String bootstrap,
    String in,
    String out,
    String group,
    String workload,
    String model,
    int threads,
    OptionalInt lingerMs, // empty: the system's own default
    boolean exactlyOnce,
    int commitMs,
    boolean tuned,
    boolean careless) {

  static final String USAGE =
      "--bootstrap HOST:PORT --in TOPIC --out TOPIC --group NAME --workload tabular|ffnn|ffnn_echo --model FILE"
          + " [--threads N=1] [--linger MS=5|default] [--guarantee at_least_once|exactly_once] [--commit-ms MS=100]"
          + " [--tuned] [--careless]";

  /** Throws IllegalArgumentException with the option, its value and what is known. */
  static Options parse(String[] args) {
    String bootstrap = null, in = null, out = null, group = null, workload = null, model = null;
    int threads = 1, commitMs = 100;
    OptionalInt linger = OptionalInt.of(5);
    boolean exactlyOnce = false, tuned = false, careless = false;
    for (int i = 0; i < args.length; ++i) {
      String name = args[i];
      if (name.equals("--tuned")) {
        tuned = true;
        continue;
      }
      if (name.equals("--careless")) {
        careless = true;
        continue;
      }
      if (i + 1 == args.length) throw new IllegalArgumentException(name + " has no value; known: " + USAGE);
      String value = args[++i];
      switch (name) {
        case "--bootstrap" -> bootstrap = value;
        case "--in" -> in = value;
        case "--out" -> out = value;
        case "--group" -> group = value;
        case "--workload" -> workload = oneOf(name, value, "tabular", "ffnn", "ffnn_echo");
        case "--model" -> model = value;
        case "--threads" -> threads = number(name, value, 1);
        case "--linger" ->
            linger = value.equals("default") ? OptionalInt.empty() : OptionalInt.of(number(name, value, 0));
        case "--guarantee" ->
            exactlyOnce = oneOf(name, value, "at_least_once", "exactly_once").equals("exactly_once");
        case "--commit-ms" -> commitMs = number(name, value, 1);
        default -> throw new IllegalArgumentException("unknown option " + name + "; known: " + USAGE);
      }
    }
    need("--bootstrap", bootstrap);
    need("--in", in);
    need("--out", out);
    need("--group", group);
    need("--workload", workload);
    need("--model", model);
    if (careless && workload.equals("tabular"))
      throw new IllegalArgumentException("--careless has no workload tabular; known: ffnn, ffnn_echo");
    return new Options(
        bootstrap, in, out, group, workload, model, threads, linger, exactlyOnce, commitMs, tuned, careless);
  }

  private static void need(String name, String value) {
    if (value == null) throw new IllegalArgumentException(name + " is missing; known: " + USAGE);
  }

  private static String oneOf(String name, String value, String... known) {
    for (String one : known) {
      if (one.equals(value)) return value;
    }
    throw new IllegalArgumentException(name + " " + value + "; known: " + String.join(", ", known));
  }

  private static int number(String name, String value, int least) {
    try {
      int number = Integer.parseInt(value);
      if (number >= least) return number;
    } catch (NumberFormatException e) {
      // falls through to the one message for both
    }
    throw new IllegalArgumentException(name + " " + value + "; wanted: a whole number from " + least + " on");
  }
}
