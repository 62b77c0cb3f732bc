#include "engine/fault.h"

namespace anabranch {

const std::vector<FaultInfo>& FaultCatalogue() {
  static const std::vector<FaultInfo> catalogue = {
      {FaultCode::kCannotRead, "cannot read the file",
       "The topology file, or a file that it names, could not be opened or read. Check the path and its rights."},
      {FaultCode::kSyntax, "not JSON",
       "The file is not JSON with comments. The place is where reading stopped; the cause often stands just before "
       "it: a missing comma, quote or bracket, or a comma after the last entry."},
      {FaultCode::kDuplicateKey, "key written twice",
       "The same key stands twice in one object. JSON readers keep one of them without a word, so it is refused: "
       "rename or remove one."},
      {FaultCode::kTooLarge, "too large",
       "The file is larger, deeper nested or has more values than a topology may have (16 MiB, depth 100, 500,000 "
       "values, 10,000 nodes)."},
      {FaultCode::kVariable, "variable without a value",
       "A ${VAR} in a string has no value, is written wrongly, or names a file that may not be read. Set the "
       "variable, give a default with ${VAR:-default}, or write $${ for a plain ${. ${file:…} reads only below "
       "/run/secrets and folders named with --allow-path."},
      {FaultCode::kUnknownKey, "unknown key",
       "The object has no such key. Keys that begin with x-, $comment and $schema are allowed anywhere."},
      {FaultCode::kMissingKey, "missing key", "A required key is not there."},
      {FaultCode::kWrongType, "wrong type",
       "The value has another JSON type than the key wants. Text that came from a variable is turned into a number or "
       "boolean where one is wanted."},
      {FaultCode::kBadValue, "bad value", "The value has the right type, but is outside of what the key allows."},
      {FaultCode::kForbiddenProperty, "forbidden property",
       "The property is not on the allow-list: it would run code, load libraries, or undo what the engine promises."},
      {FaultCode::kPath, "path outside of the folder",
       "A path leaves the folder tree of the topology file, or its file is not there. Move the file, or allow its "
       "folder with --allow-path DIR."},
      {FaultCode::kNotSupported, "not supported",
       "The key or value belongs to the format, but this version does not act upon it. It is refused, as ignoring it "
       "would change what the topology promises."},
      {FaultCode::kCycle, "cycle",
       "Nodes read each other in a closed chain, so none of them can run first. Take one edge of the chain out of "
       "`inputs`."},
      {FaultCode::kUnknownReference, "unknown reference",
       "A name refers to a source, node, model, schema or connection that is not in the file, or that passes nothing "
       "on."},
      {FaultCode::kUnknownColumn, "unknown column",
       "A node reads a column that neither the source's schema nor a node above it makes. Correct the name, or add "
       "the node that makes it to `inputs`."},
      {FaultCode::kColumnMadeTwice, "column made twice",
       "Columns share one name space in a topology and are written once. Give the second one another name."},
      {FaultCode::kUnknownKind, "unknown kind", "There is no such node kind or connector."},
      {FaultCode::kDeadEnd, "dead end",
       "Nothing reads the node and it writes nowhere, so its work would be lost. Add a node below it that writes, or "
       "remove it."},
      {FaultCode::kDuplicateId, "id used twice",
       "Sources and nodes share one name space of ids, and the tests of a file share one of names. Rename one."},
      {FaultCode::kNoInput, "no input", "A node reads at least one source or node: name it in `inputs`."},
      {FaultCode::kTypeConflict, "types do not fit together",
       "Two inputs bring the same column name with different types or meanings. Rename one of them above the join."},
      {FaultCode::kExpressionSyntax, "expression syntax", "The expression is not well formed; the caret shows where."},
      {FaultCode::kExpressionType, "expression type",
       "An operator or function got types that it does not work on, or the result has another type than is wanted."},
      {FaultCode::kExpressionFunction, "unknown function",
       "There is no such function, or it takes other arguments. `anabranch explain functions` lists them."},
      {FaultCode::kPattern, "bad regular expression",
       "The pattern is not a regular expression of RE2 (no back-references and no look-around)."},
      {FaultCode::kModelLoad, "model cannot be loaded",
       "The model file is missing, is not ONNX, or uses operators that the runtime does not know."},
      {FaultCode::kModelInput, "model input",
       "The features do not fit the inputs that the model file declares: names, number or shape."},
      {FaultCode::kModelType, "model type", "A feature has a type that the model's input does not take."},
      {FaultCode::kModelOutput, "model output",
       "The model file declares no such output, or the output has no such index or class."},
      {FaultCode::kModelDigest, "model digest",
       "The SHA-256 of the model file is not the one that the topology names: the file was changed or is incomplete."},
      {FaultCode::kModelRandom, "random model",
       "The model draws random numbers, so the same record gets another result each time it is computed. Export it in "
       "evaluation mode, without the operator; or allow it with \"nondeterministic\": true at the model."},
      {FaultCode::kSchemaKeyword, "schema keyword",
       "The schema uses a keyword that cannot be enforced. It is refused, as an unchecked rule is worse than none."},
      {FaultCode::kSchemaType, "schema type", "The schema's type or structure cannot become columns."},
      {FaultCode::kDelivery, "delivery cannot be given",
       "exactly_once was asked for, and a target cannot make rows and progress durable together. Change the target, "
       "or write \"delivery\": \"at_least_once\"."},
      {FaultCode::kTargetConflict, "target used twice",
       "Two nodes write the same target; their progress would overwrite each other. Give each "
       "its own target, or join the branches and write once."},
      {FaultCode::kMembers, "members of a combination",
       "The members do not fit together or to the method: types, number, weights, or a member that can be null "
       "without a `missing` policy."},
      {FaultCode::kUnused, "not used", "The entry is named nowhere. Remove it, or use it (a warning)."},
      {FaultCode::kInsecure, "insecure",
       "The setting works, but gives something away: a secret written in the file, for instance (a warning)."},
      {FaultCode::kDoubtful, "doubtful",
       "The entry is allowed, and will hardly do what was meant: every record would fail, for instance (a warning)."},
  };
  return catalogue;
}

}  // namespace anabranch
