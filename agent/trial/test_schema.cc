// The keys of test files, as test_file.cc reads them. A test holds them against the reader's own
// list.

#include "agent/trial/test_schema.h"

#include <nlohmann/json.hpp>

#include "agent/flow/schema.h"
#include "agent/runtime/status.h"
#include "agent/trial/test_file.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;

// A number or true is taken as the text that stands there.
constexpr const char* kSchema = R"json({
  "$comment": "Generated from agent/trial/test_schema.cc; edit that. Then run ./dev generate.",
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "Tests of a flow of Runnel",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "flow": {"$ref": "#/definitions/text", "description": "The flow's file, as seen from this one."},
    "parameters": {"$ref": "#/definitions/texts", "description": "Values of the flow's parameters, for all tests."},
    "clock": {"$ref": "#/definitions/clock"},
    "tests": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/test"}, "description": "Each runs the flow anew."}
  },
  "required": ["flow", "tests"],
  "definitions": {
    "text": {"type": ["string", "number", "boolean"]},
    "texts": {"type": "object", "additionalProperties": {"$ref": "#/definitions/text"}},
    "period": {"type": "string"},
    "size": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]},
    "clock": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
      "description": "The wall time at the start. Default: 2026-01-01T00:00:00Z."},
    "place": {"$ref": "#/definitions/text"},
    "count": {"type": "integer", "minimum": 1, "description": "So many alike. Default: 1."},
    "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
    "bytes": {"anyOf": [
      {"$ref": "#/definitions/text"},
      {"$ref": "#/definitions/bytes from elsewhere"}
    ]},
    "bytes from elsewhere": {"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
      "properties": {
        "file": {"$ref": "#/definitions/text", "description": "A file, as seen from this one."},
        "base64": {"$ref": "#/definitions/text"}
      }},
    "text rule": {"anyOf": [
      {"$ref": "#/definitions/text"},
      {"type": "null"},
      {"$ref": "#/definitions/pattern"}
    ]},
    "pattern": {"type": "object", "additionalProperties": false, "required": ["matches"],
      "properties": {"matches": {"$ref": "#/definitions/text", "description": "A regular expression of the whole."}}},
    "mock": {"anyOf": [
      {"$ref": "#/definitions/answers"},
      {"type": "object", "additionalProperties": false, "required": ["in_turn"],
        "properties": {"in_turn": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/answers"},
          "description": "One after the other, for one FlowFile each; the last one stays."}}}
    ]},
    "answers": {"anyOf": [
      {"$ref": "#/definitions/answer"},
      {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/answer"}}
    ]},
    "answer": {"anyOf": [
      {"$ref": "#/definitions/text"},
      {"$ref": "#/definitions/answer with changes"}
    ]},
    "answer with changes": {"type": "object", "additionalProperties": false, "required": ["to"],
      "properties": {
        "to": {"$ref": "#/definitions/text", "description": "The relationship."},
        "attributes": {"$ref": "#/definitions/texts", "description": "Set on the way."},
        "content": {"$ref": "#/definitions/bytes", "description": "Default: as it came."}
      }},
    "given": {"type": "object", "additionalProperties": false, "required": ["at"],
      "properties": {
        "at": {"$ref": "#/definitions/place", "description": "A processor, or `source.relationship`."},
        "content": {"$ref": "#/definitions/bytes"},
        "attributes": {"$ref": "#/definitions/texts"},
        "after": {"$ref": "#/definitions/period", "description": "Since the start. Default: 0 sec."},
        "count": {"$ref": "#/definitions/count"}
      }},
    "expected": {"type": "object", "additionalProperties": false, "required": ["at"],
      "properties": {
        "at": {"$ref": "#/definitions/place", "description": "A mocked processor, or `processor.relationship`."},
        "content": {"anyOf": [{"$ref": "#/definitions/text"}, {"$ref": "#/definitions/content rule"}]},
        "attributes": {"type": "object", "additionalProperties": {"$ref": "#/definitions/text rule"},
          "description": "A value, `{matches: …}`, or nothing: it must not be there."},
        "count": {"$ref": "#/definitions/count"},
        "in_any_order": {"type": "boolean", "description": "Among those of this place."}
      }},
    "content rule": {"type": "object", "additionalProperties": false, "minProperties": 1,
      "properties": {
        "file": {"$ref": "#/definitions/text", "description": "As this file, as seen from this one."},
        "base64": {"$ref": "#/definitions/text"},
        "matches": {"$ref": "#/definitions/text", "description": "A regular expression of the whole."},
        "contains": {"$ref": "#/definitions/text"},
        "size": {"$ref": "#/definitions/size"},
        "json": {"type": "object", "description": "What JSON paths must find."},
        "absent": {"type": "array", "items": {"$ref": "#/definitions/text"}, "description": "JSON paths that must find nothing."}
      }},
    "event": {"type": "object", "additionalProperties": false, "required": ["at", "kind"],
      "properties": {
        "at": {"$ref": "#/definitions/place", "description": "A processor."},
        "kind": {"enum": []},
        "count": {"type": "integer", "minimum": 0, "description": "Of FlowFiles. Default: at least one."},
        "uri": {"$ref": "#/definitions/text rule"},
        "details": {"$ref": "#/definitions/text rule"},
        "relationship": {"$ref": "#/definitions/text rule"}
      }},
    "bulletin": {"type": "object", "additionalProperties": false, "required": ["at", "text"],
      "properties": {
        "at": {"$ref": "#/definitions/place", "description": "A processor."},
        "text": {"$ref": "#/definitions/text rule"}
      }},
    "test": {"type": "object", "additionalProperties": false, "required": ["name"],
      "anyOf": [{"required": ["expect"]}, {"required": ["counts"]}, {"required": ["queued"]}, {"required": ["provenance"]},
        {"required": ["bulletins"]}],
      "properties": {
        "name": {"$ref": "#/definitions/text", "description": "What holds, as a sentence."},
        "parameters": {"$ref": "#/definitions/texts", "description": "Values of the flow's parameters, for this test."},
        "clock": {"$ref": "#/definitions/clock"},
        "runs_for": {"$ref": "#/definitions/period", "description": "Default: until nothing is queued."},
        "mock": {"type": "object", "additionalProperties": {"$ref": "#/definitions/mock"},
          "description": "By processor: what stands in for it does with a FlowFile."},
        "unmocked": {"type": "array", "items": {"$ref": "#/definitions/text"}, "description": "Sources that run as they are."},
        "given": {"type": "array", "items": {"$ref": "#/definitions/given"}, "description": "The FlowFiles that go in."},
        "expect": {"type": "array", "items": {"$ref": "#/definitions/expected"},
          "description": "The FlowFiles that come out, all of them, in their order."},
        "counts": {"$ref": "#/definitions/counts", "description": "How many FlowFiles have been where."},
        "queued": {"$ref": "#/definitions/counts", "description": "How many are left, by connection."},
        "provenance": {"type": "array", "items": {"$ref": "#/definitions/event"}},
        "bulletins": {"type": "array", "items": {"$ref": "#/definitions/bulletin"}}
      }}
  }
})json";

}  // namespace

std::string flow_test_schema() {
  Json schema = Json::parse(kSchema);
  Json& definitions = schema["definitions"];
  definitions["period"]["pattern"] = period_pattern();
  definitions["size"]["anyOf"][1]["pattern"] = size_pattern();
  definitions["count"]["maximum"] = FlowTestLimits::kCount;
  Json& kinds = definitions["event"]["properties"]["kind"]["enum"];
  for (int one = 0; one <= static_cast<int>(ProvenanceKind::kRemoteInvocation); ++one)
    kinds.push_back(name_of(static_cast<ProvenanceKind>(one)));
  return schema.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace runnel
