#include "topologies/commands/simple_yaml.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

YamlValue Parsed(const std::string& text) {
  auto value = ParseSimpleYaml(text);
  EXPECT_TRUE(value.ok()) << value.status().message();
  return value.ok() ? *value : YamlValue();
}

TEST(SimpleYaml, ReadsWhatPyYamlWrites) {
  const YamlValue value = Parsed(
      "flavors:\n  onnx:\n    code: null\n    data: model.onnx\n    providers:\n    - CUDA\n    - name: CPU\n      "
      "cores: 2\n"
      "  python_function:\n    env: {}\nrun_id: 'yes'\nempty:\nlast: \"a\\tb\\\\\"\n");
  EXPECT_EQ(value.Find("flavors", "onnx", "data")->Text(), "model.onnx");
  EXPECT_TRUE(value.Find("flavors", "onnx", "code")->null);
  const YamlValue& providers = *value.Find("flavors", "onnx", "providers");
  ASSERT_EQ(providers.items.size(), 2u);
  EXPECT_EQ(providers.items[0].text, "CUDA");
  EXPECT_EQ(providers.items[1].Find("cores")->text, "2");
  EXPECT_EQ(value.Find("flavors", "python_function", "env")->form, YamlValue::Form::kMapping);
  EXPECT_EQ(value.Find("run_id")->text, "yes");
  EXPECT_TRUE(value.Find("empty")->null);
  EXPECT_EQ(value.Find("last")->text, "a\tb\\");
  EXPECT_EQ(value.Find("flavors", "absent", "data"), nullptr);
}

TEST(SimpleYaml, JoinsTextsThatGoOnOnTheNextLine) {
  const YamlValue value = Parsed(
      "signature:\n  inputs: '[{\"type\":\n    \"double\", \"name\": \"it''s\"}]'\n  outputs: \"a\\\n    \\ "
      "b\"\nplain: one\n  two\n"
      "broken: 'a\n\n  b'\n");
  EXPECT_EQ(value.Find("signature", "inputs")->text, R"([{"type": "double", "name": "it's"}])");
  EXPECT_EQ(value.Find("signature", "outputs")->text, "a b");
  EXPECT_EQ(value.Find("plain")->text, "one two");
  EXPECT_EQ(value.Find("broken")->text, "a\nb");
}

TEST(SimpleYaml, RefusesWhatItDoesNotRead) {
  for (const char* text : {"a: &x 1\n", "a: |\n  text\n", "a: {b: 1}\n", "a: [1, 2]\n", "a: 'open\n", "just text\n",
                           "a: 1\n   b: 2\nc\n", "- 1\nb: 2\n", "a: \"\\x41\"\n", "'a: 1\n"}) {
    const auto value = ParseSimpleYaml(text);
    EXPECT_FALSE(value.ok()) << text;
    EXPECT_TRUE(value.status().message().starts_with("line ")) << value.status().message();
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_FALSE(ParseSimpleYaml(deep).ok());
  EXPECT_TRUE(ParseSimpleYaml("").ok());
  EXPECT_TRUE(ParseSimpleYaml("# nothing\n").ok());
}

}  // namespace
}  // namespace anabranch
