// Benchmark `ledger`: FlowFiles that are all written and fsynced, beside a plain loop that packs,
// compresses and inserts the same FlowFiles, and beside bare SQLite with a row for each.
//
// Prints one JSON object. Each FlowFile has six attributes and 256 bytes of JSON telemetry.

#include "agent/runtime/ledger.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "agent/base/ids.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/session_core.h"
#include "agent/runtime/varint.h"
#include "agent/store/database.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kGroup = 4096;
constexpr std::size_t kSlice = 256;

struct Message {
  std::string sequence;
  std::string speed;
  std::string content;
};

std::vector<Message> messages(std::size_t count) {
  std::mt19937 random(17);
  std::vector<Message> all;
  for (std::size_t i = 0; i < count; ++i) {
    char text[400];
    const int size = std::snprintf(
        text, sizeof text,
        R"({"vehicle":"truck-%02u","sequence":%zu,"time":"2026-01-01T%02zu:%02zu:%02zu.%03uZ",)"
        R"("lat":%.6f,"lon":%.6f,"speed":%.1f,"tyres":[%.2f,%.2f,%.2f,%.2f],"battery":%u,"note":")",
        static_cast<unsigned>(random() % 30), i, i / 3600 % 24, i / 60 % 60, i % 60,
        static_cast<unsigned>(random() % 1000),
        48.0 + static_cast<double>(random() % 1000000) * 1e-6,
        11.0 + static_cast<double>(random() % 1000000) * 1e-6,
        static_cast<double>(random() % 900) * 0.1, 2.0 + static_cast<double>(random() % 60) * 0.01,
        2.0 + static_cast<double>(random() % 60) * 0.01,
        2.0 + static_cast<double>(random() % 60) * 0.01,
        2.0 + static_cast<double>(random() % 60) * 0.01, static_cast<unsigned>(random() % 100));
    Message one;
    one.content.assign(text, static_cast<std::size_t>(size));
    one.content.resize(std::max<std::size_t>(one.content.size(), 254), ' ');
    one.content += "\"}";
    one.sequence = std::to_string(i);
    one.speed = std::to_string(random() % 90);
    all.push_back(std::move(one));
  }
  return all;
}

constexpr std::pair<std::string_view, std::string_view> kShared[] = {
    {"mime.type", "application/json"},
    {"mqtt.broker", "tcp://127.0.0.1:1883"},
    {"mqtt.qos", "1"},
    {"mqtt.topic", "vehicle/17/telemetry"}};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// ---- ours

struct Ours {
  double rate = 0;
  double written_per_byte = 0;
  bool is_balanced = false;
};

Ours run_ledger(const std::string& directory, const std::vector<Message>& all, bool encrypts) {
  LedgerOptions options;
  if (encrypts)
    options.vault = {.sealer = Sealer::make({random_bytes(kCipherKeyBytes)}), .seals = true};
  options.directory = directory;
  auto ledger = Ledger::open(std::move(options)).value();
  QueueSpec spec;
  spec.id = "queue";
  spec.name = "queue";
  spec.count_max = 0;
  spec.bytes_max = 0;
  Queue* const queue = ledger->attach(std::move(spec)).value();
  Wiring wiring;
  wiring.processor_id = "source";
  wiring.outlets = {{"success", {queue}}};
  HandOver hand_over(*ledger, wiring);
  Ours ours;
  {
    SessionCore session(*ledger, wiring, hand_over);
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < all.size();) {
      for (const std::size_t end = std::min(all.size(), i + kSlice); i < end; ++i) {
        session.begin_call();
        FlowFile f = session.create();
        for (const auto& [name, value] : kShared) f.set(name, value);
        f.set("sequence", all[i].sequence);
        f.set("speed", all[i].speed);
        static_cast<void>(session.write(f, all[i].content).ok());
        session.transfer(f, Relationship{0});
        static_cast<void>(session.end_call().ok());
      }
      session.commit();
    }
    if (!ledger->flush(60s).ok()) return ours;
    ours.rate = static_cast<double>(all.size()) / seconds_since(begin);
  }
  const LedgerStatus status = ledger->status();
  ours.written_per_byte =
      static_cast<double>(status.written_bytes) / static_cast<double>(status.accepted_bytes);
  ours.is_balanced = ledger->loss().is_balanced() && ledger->loss().queued == all.size() &&
                     status.unsafe_count == 0;
  return ours;
}

// ---- the plain loop

DatabaseOptions database_options() {
  DatabaseOptions options;
  options.application_id = 1;
  return options;
}

void put_text(std::string& column, std::string_view text) {
  put_varint(column, text.size());
  column += text;
}

double run_plain(const std::string& directory, const std::vector<Message>& all) {
  auto database = Database::open(directory + "/plain.db", database_options()).value();
  if (!database->execute("CREATE TABLE batch (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
           .ok())
    return 0;
  Statement insert = database->prepare("INSERT INTO batch (body) VALUES (?)").value();
  const auto begin = std::chrono::steady_clock::now();
  std::string ids, attributes, contents;
  for (std::size_t i = 0; i < all.size();) {
    ids.clear();
    attributes.clear();
    contents.clear();
    std::size_t last = 0;
    for (const std::size_t end = std::min(all.size(), i + kGroup); i < end; ++i) {
      put_varint(ids, i - last);
      put_varint(ids, 3);  // ms since the last one entered
      last = i;
      for (const auto& [name, value] : kShared) {
        put_text(attributes, name);
        put_text(attributes, value);
      }
      put_text(attributes, "sequence");
      put_text(attributes, all[i].sequence);
      put_text(attributes, "speed");
      put_text(attributes, all[i].speed);
      put_text(contents, all[i].content);
    }
    const std::string body = compress(ids + attributes + contents);
    auto transaction = Transaction::begin(*database);
    if (!transaction.ok() || !insert.bind_blob(1, body).run().ok() || !transaction->commit().ok())
      return 0;
  }
  return static_cast<double>(all.size()) / seconds_since(begin);
}

// ---- a row for each FlowFile

double run_rows(const std::string& directory, const std::vector<Message>& all) {
  auto database = Database::open(directory + "/rows.db", database_options()).value();
  if (!database
           ->execute("CREATE TABLE flowfile (id INTEGER PRIMARY KEY, entry_ms INTEGER NOT NULL, "
                     "attributes BLOB NOT NULL, content BLOB NOT NULL) STRICT")
           .ok())
    return 0;
  Statement insert =
      database->prepare("INSERT INTO flowfile (entry_ms, attributes, content) VALUES (?, ?, ?)")
          .value();
  const auto begin = std::chrono::steady_clock::now();
  std::string attributes;
  for (std::size_t i = 0; i < all.size();) {
    auto transaction = Transaction::begin(*database);
    if (!transaction.ok()) return 0;
    for (const std::size_t end = std::min(all.size(), i + kGroup); i < end; ++i) {
      attributes.clear();
      for (const auto& [name, value] : kShared) {
        put_text(attributes, name);
        put_text(attributes, value);
      }
      put_text(attributes, "sequence");
      put_text(attributes, all[i].sequence);
      put_text(attributes, "speed");
      put_text(attributes, all[i].speed);
      insert.bind(1, static_cast<std::int64_t>(i));
      insert.bind_blob(2, attributes);
      insert.bind_blob(3, all[i].content);
      if (!insert.run().ok()) return 0;
    }
    if (!transaction->commit().ok()) return 0;
  }
  return static_cast<double>(all.size()) / seconds_since(begin);
}

template <typename Number>
Number median(std::vector<Number> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(std::size_t count, const std::string& where) {
  const std::vector<Message> all = messages(count);
  std::vector<double> ours, encrypted, plain, rows;
  double written = 0;
  bool is_balanced = true;
  for (int round = 0; round < 3; ++round) {
    std::string directory = where + "/runnel-bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) return 1;
    const Ours one = run_ledger(directory, all, false);
    const Ours hidden = run_ledger(directory + "/encrypted", all, true);
    encrypted.push_back(hidden.rate);
    is_balanced = is_balanced && hidden.is_balanced;
    ours.push_back(one.rate);
    written = one.written_per_byte;
    is_balanced = is_balanced && one.is_balanced;
    plain.push_back(run_plain(directory, all));
    rows.push_back(run_rows(directory, all));
    std::filesystem::remove_all(directory);
  }
  std::printf(
      "{\"value\": %.0f, \"unit\": \"FlowFiles/s\", \"raw\": %.0f, \"ratio\": %.2f, "
      "\"encrypted\": %.0f, \"ratio_encrypted\": %.2f, \"raw_row_each\": %.0f, \"ratio_row_each\": "
      "%.2f, \"written_per_byte\": %.3f, "
      "\"balanced\": %s}\n",
      median(ours), median(plain), median(ours) / median(plain), median(encrypted),
      median(encrypted) / median(ours), median(rows), median(ours) / median(rows), written,
      is_balanced ? "true" : "false");
  return is_balanced ? 0 : 1;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 400'000;
  const std::string where = argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  return runnel::run(count, where);
}
