// JSON paths: what each construct finds, what is refused, and the bounds.

#include "agent/flow/el/json_path.h"

#include <doctest/doctest.h>

namespace runnel {
namespace {

constexpr std::string_view kStore = R"({"store": {
  "book": [
    {"category": "reference", "author": "Nigel Rees", "title": "Sayings", "price": 8.95},
    {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword", "price": 12.99},
    {"category": "fiction", "author": "Herman Melville", "title": "Moby", "isbn": "0-553", "price": 8.99},
    {"category": "fiction", "author": "J. R. R. Tolkien", "title": "Lord", "isbn": "0-395", "price": 22.99}],
  "bicycle": {"color": "red", "price": 19.95}}, "expensive": 10, "list": [0, 1, 2, 3, 4, 5]})";

JsonDocument store() { return *JsonDocument::parse(kStore); }

// What read() gives, as text; "-" when nothing is found; the error's text.
std::string read(std::string_view path, const JsonDocument& document = store()) {
  const auto compiled = JsonPath::compile(path);
  if (!compiled.ok()) return compiled.error().text();
  const auto match = compiled->read(document);
  if (match.ok()) return match->text;
  return match.code() == Code::kNotFound ? "-" : match.error().text();
}

std::string read_from(std::string_view path, std::string_view text) {
  const auto document = JsonDocument::parse(text);
  REQUIRE_MESSAGE(document.ok(), text);
  return read(path, *document);
}

TEST_CASE("names and indexes lead to one value") {
  CHECK(read("$.expensive") == "10");
  CHECK(read("$['expensive']") == "10");
  CHECK(read("$[\"store\"]['bicycle'].color") == "red");
  CHECK(read("$.store.book[0].title") == "Sayings");
  CHECK(read("$.store.book[-1].title") == "Lord");
  CHECK(read("$.store.book[9].title") == "-");
  CHECK(read("$.nothing") == "-");
  CHECK(read("$.expensive.nothing") == "-");
  CHECK(read_from("$", "[1, {\"a\" :null}]") == "[1,{\"a\":null}]");
  CHECK(read_from("$['a.b']['c\\'d']", R"({"a.b": {"c'd": 1}})") == "1");
  CHECK(read_from("$.größe", R"({"größe": 1})") == "1");
}

TEST_CASE("wildcards, unions and slices find several values") {
  CHECK(read("$.store.book[*].author") ==
        R"(["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"])");
  CHECK(read("$.store.*.color") == R"(["red"])");
  CHECK(read("$.list[0,2,-1]") == "[0,2,5]");
  CHECK(read("$.list[1:3]") == "[1,2]");
  CHECK(read("$.list[:2]") == "[0,1]");
  CHECK(read("$.list[-2:]") == "[4,5]");
  CHECK(read("$.list[4:99]") == "[4,5]");
  CHECK(read("$.list[::2]") == "[0,2,4]");
  CHECK(read("$.list[3:1]") == "[]");
  CHECK(read("$.store.bicycle['color','price']") == "[\"red\",19.95]");
}

TEST_CASE("two dots look at every level") {
  CHECK(read("$..color") == R"(["red"])");
  CHECK(read("$.store..price") == "[8.95,12.99,8.99,22.99,19.95]");
  CHECK(read("$..book[2].title") == R"(["Moby"])");
  CHECK(read("$..book[?(@.isbn)].title") == R"(["Moby","Lord"])");
  CHECK(read_from("$..*", R"({"a":[1,{"b":2}]})") == R"([[1,{"b":2}],1,{"b":2},2])");
  CHECK(read_from("$..['a','b']", R"({"a":1,"c":{"b":2}})") == "[1,2]");
}

TEST_CASE("filters compare") {
  CHECK(read("$.store.book[?(@.price < 10)].title") == R"(["Sayings","Moby"])");
  CHECK(read("$.store.book[?(@.price >= 12.99)].title") == R"(["Sword","Lord"])");
  CHECK(read("$.store.book[?(@.price <= $.expensive)].title") == R"(["Sayings","Moby"])");
  CHECK(read("$.store.book[?(@.category == 'fiction' && @.price < 10)].title") == R"(["Moby"])");
  CHECK(read("$.store.book[?(@.price > 20 || @.category == \"reference\")].title") ==
        R"(["Sayings","Lord"])");
  CHECK(read("$.store.book[?(!@.isbn)].title") == R"(["Sayings","Sword"])");
  CHECK(read("$.store.book[?(!(@.isbn && @.price > 10))].title") ==
        R"(["Sayings","Sword","Moby"])");
  CHECK(read("$.store.book[?(@.author =~ /.*REES/i)].title") == R"(["Sayings"])");
  CHECK(read("$.store.book[?(@.title in ['Moby', 'Lord'])].price") == "[8.99,22.99]");
  CHECK(read("$.store.book[?(@.title nin ['Moby', 'Lord'])].price") == "[8.95,12.99]");
  CHECK(read("$.store.book[?(@.author contains 'Mel')].title") == R"(["Moby"])");
  CHECK(read("$.store.book[?(@.isbn != null)].title") == R"(["Sayings","Sword","Moby","Lord"])");
  CHECK(read("$.store.book[?(@['isbn'])].title") == R"(["Moby","Lord"])");
  CHECK(read("$.list[?(@ > 3)]") == "[4,5]");
  CHECK(read("$.store.bicycle[?(@.price > 1)].color") == R"(["red"])");
  CHECK(read_from("$[?(@.l size 2)].n", R"([{"n":1,"l":[1,2]},{"n":2,"l":[]}])") == "[1]");
  CHECK(read_from("$[?(@.l empty true)].n", R"([{"n":1,"l":[1,2]},{"n":2,"l":[]}])") == "[2]");
  CHECK(read_from("$[?(@.a == 1.0)]", R"([{"a":1}])") == R"([{"a":1}])");
  CHECK(read_from("$[?(@.a == '1')]", R"([{"a":1}])") == "[]");
  CHECK(read_from("$[?(@.l.length() > 1)].n", R"([{"n":1,"l":[1,2]},{"n":2,"l":[]}])") == "[1]");
}

TEST_CASE("functions at the end of a path") {
  CHECK(read("$.list.length()") == "6");
  CHECK(read("$.list.min()") == "0.0");
  CHECK(read("$.list.max()") == "5.0");
  CHECK(read("$.list.sum()") == "15.0");
  CHECK(read("$.list.avg()") == "2.5");
  CHECK(read("$..price.max()") == "22.99");
  CHECK(read("$.store.bicycle.keys()") == R"(["color","price"])");
  CHECK(read("$.list.first()") == "0");
  CHECK(read("$.list.last()") == "5");
  CHECK(read("$.nothing.length()") == "-");
  CHECK(read("$.store.bicycle.sum()") == "`sum()` finds no number");
}

TEST_CASE("a definite path knows that it is one") {
  for (const std::string_view path : {"$", "$.a.b[0]", "$['a'][-1]", "$.a.length()"}) {
    CHECK_MESSAGE(JsonPath::compile(path)->is_definite(), path);
  }
  for (const std::string_view path :
       {"$..a", "$.*", "$[*]", "$[0,1]", "$['a','b']", "$[0:1]", "$[?(@.a)]"}) {
    CHECK_MESSAGE(!JsonPath::compile(path)->is_definite(), path);
  }
}

TEST_CASE("matches say what they are") {
  const auto document = *JsonDocument::parse(R"([null,true,1.50,"a\"b",[1],{"k":"v"}])");
  const auto matches = *JsonPath::compile("$[*]")->find(document);
  REQUIRE(matches.size() == 6);
  const std::vector<JsonKind> kinds{JsonKind::kNull,   JsonKind::kBoolean, JsonKind::kNumber,
                                    JsonKind::kString, JsonKind::kArray,   JsonKind::kObject};
  const std::vector<std::string> texts{"null", "true", "1.50", "a\"b", "[1]", "{\"k\":\"v\"}"};
  for (std::size_t i = 0; i < matches.size(); ++i) {
    CHECK(matches[i].kind == kinds[i]);
    CHECK(matches[i].text == texts[i]);
    CHECK(matches[i].is_scalar() == (i < 4));
  }
}

TEST_CASE("a wrong path is refused with its column") {
  CHECK(read("store") == "JSON path, column 1: a JSON path begins with `$`");
  CHECK(read("") == "JSON path, column 1: a JSON path begins with `$`");
  CHECK(read("$..") == "JSON path, column 4: a name, `*` or `[` is missing behind the dot");
  CHECK(read("$.a[") ==
        "JSON path, column 5: expected an index, a name in quotes, `*` or a filter");
  CHECK(read("$.a[0") == "JSON path, column 6: expected `]`");
  CHECK(read("$.a b") == "JSON path, column 5: unexpected `b`");
  CHECK(read("$['a]") == "JSON path, column 3: the quotes are never closed");
  CHECK(read("$.a[?(@.b ==)]").find("column 13: expected `@`, `$`, a number") != std::string::npos);
  CHECK(read("$.a[?(1)]").find("expected a comparison") != std::string::npos);
  CHECK(read("$.a.nope()").find("unknown function `nope()`") != std::string::npos);
  CHECK(read("$.a.length().b").find("must be the last step") != std::string::npos);
  CHECK(read("$.a[0:5:0]").find("must be 1 or more") != std::string::npos);
  CHECK(read("$[?(@ =~ 'x')]").find("needs a regular expression") != std::string::npos);
}

TEST_CASE("what is no JSON is refused with its place") {
  const auto broken = JsonDocument::parse("{\"a\": 1,}");
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().text().find("column 9") != std::string::npos);
  for (const std::string_view text :
       {"", "nope", "[1,2", "{\"a\" 1}", "[1] x", "\"\xff\"", "1e400"}) {
    CHECK_MESSAGE(!JsonDocument::parse(text).ok(), text);
  }
}

TEST_CASE("the last of several members with one name counts") {
  CHECK(read_from("$", R"({"a":1,"b":2,"a":3})") == R"({"a":3,"b":2})");
}

TEST_CASE("documents are changed at each node that a path names") {
  const auto document = *JsonDocument::parse(R"({"a":{"x":1},"l":[{"x":2},{"x":3}]})");
  const auto path = [](std::string_view text) { return *JsonPath::compile(text); };
  CHECK(*path("$..x").set(document, {"0", true}) == R"({"a":{"x":0},"l":[{"x":0},{"x":0}]})");
  CHECK(*path("$..x").remove(document) == R"({"a":{},"l":[{},{}]})");
  CHECK(*path("$.l[0]").remove(document) == R"({"a":{"x":1},"l":[{"x":3}]})");
  CHECK(*path("$..*").set(document, {"n", false}) == R"({"a":"n","l":"n"})");
  CHECK(*path("$.l").add(document, {"[4]", true}) == R"({"a":{"x":1},"l":[{"x":2},{"x":3},[4]]})");
  CHECK(*path("$.a").put(document, "y", {"q\"", false}) ==
        R"({"a":{"x":1,"y":"q\""},"l":[{"x":2},{"x":3}]})");
  CHECK(*path("$.a").put(document, "x", {"9", true}) == R"({"a":{"x":9},"l":[{"x":2},{"x":3}]})");
  CHECK_FALSE(path("$.a").add(document, {"1", true}).ok());
  CHECK_FALSE(path("$.l").put(document, "k", {"1", true}).ok());
  CHECK_FALSE(path("$.l.length()").set(document, {"1", true}).ok());
  CHECK(*path("$").remove(document) == "");
  CHECK(read("$.a.x", document) == "1");
}

TEST_CASE("depth, size and work are bounded") {
  const std::string deep(JsonDocument::kMaxDepth, '[');
  CHECK(JsonDocument::parse(deep + std::string(JsonDocument::kMaxDepth, ']')).ok());
  const auto too_deep = JsonDocument::parse("[" + deep);
  REQUIRE_FALSE(too_deep.ok());
  CHECK(too_deep.error().text().find("levels deep") != std::string::npos);

  // In few bytes are many values, each of which takes a hundred in memory.
  std::string many = "[0";
  for (std::size_t i = 2; i < JsonDocument::kMaxNodes; ++i) many += ",0";
  CHECK(JsonDocument::parse(many + "]").ok());
  const auto too_many = JsonDocument::parse(many + ",[]]");
  REQUIRE_FALSE(too_many.ok());
  CHECK(too_many.error().text() == "the JSON has more than 1000000 values");

  std::string filters = "$";
  for (int i = 0; i < 40; ++i) filters += "[?(@";
  CHECK(read(filters).find("nested too deep") != std::string::npos);
  std::string negations = "$[?(" + std::string(1000, '!') + "@.a)]";
  CHECK(read(negations).find("nested too deep") != std::string::npos);
  std::string steps = "$";
  for (int i = 0; i < 300; ++i) steps += ".a";
  CHECK(read(steps).find("more than 256 steps") != std::string::npos);

  // What a filter asks for again and again counts each time.
  std::string items = "1";
  for (int i = 0; i < 20'000; ++i) items += ",1";
  CHECK(read_from("$.a[?(@ in $.a)]", "{\"a\":[" + items + "]}").size() > 20'000);
  CHECK(read_from("$.a[?(2 in $.a)]", "{\"a\":[" + items + "]}").find("looks at more than") !=
        std::string::npos);
  const std::string text(200'000, 'x');
  CHECK(read_from("$.a[?($.t =~ /y*z/)]", "{\"t\":\"" + text + "\",\"a\":[" + items + "]}")
            .find("looks at more than") != std::string::npos);
  CHECK(read("$.a[?(@..b == 1)]").find("must name one value") != std::string::npos);
  CHECK(read("$.a[?(@.b.first() == 1)]").find("must name one value") != std::string::npos);

  // Each `..*` multiplies the paths to a deep node.
  std::string nested = "1";
  for (int i = 0; i < 100; ++i) nested = "[" + nested + "]";
  CHECK(read_from("$..*..*..*..*..*..*..*", nested).find("looks at more than") !=
        std::string::npos);
}

}  // namespace
}  // namespace runnel
