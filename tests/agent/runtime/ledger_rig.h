// A driven ledger on a disk that forgets, with one queue between a source and a sink.

#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/base/log.h"
#include "agent/runtime/session_core.h"
#include "tests/support/forgetful_vfs.h"

namespace runnel {

class Rig {
 public:
  explicit Rig(std::uint64_t seed) : disk(seed) {
    path_ = (std::filesystem::temp_directory_path() / "runnel-ledger-XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    set_log_sink([](std::string_view) {});
  }
  ~Rig() {
    close();
    set_log_sink(nullptr);
    std::filesystem::remove_all(path_);
  }

  const std::string& directory() const { return path_; }

  LedgerOptions options(std::uint64_t memory_budget) {
    LedgerOptions options;
    options.directory = path_;
    options.clock = &clock;
    options.vfs = disk.vfs_name();
    options.disk = &disk;
    options.memory_budget = memory_budget;
    options.linger = linger;
    options.is_driven = true;
    options.disk_quota = disk_quota;
    options.first_epoch = first_epoch;
    options.reserve = reserve;
    options.vault = vault;
    options.on_trouble = [this](const std::string& text) { told.push_back(text); };
    return options;
  }

  void open(QueueSpec spec, std::uint64_t memory_budget = 64 << 20) {
    auto opened = Ledger::open(options(memory_budget));
    REQUIRE(opened.ok());
    ledger = std::move(*opened);
    spec.id = spec.name = "queue";
    queue = *ledger->attach(std::move(spec));
    source.processor_id = "source";
    source.outlets = {{"success", {queue}}};
    source.line = ledger->open_line();
    sink.processor_id = "sink";
    sink.inputs = {queue};
    sink.outlets = {{"success", {}}};
    sink.line = ledger->open_line();
    source_owner = std::make_unique<HandOver>(*ledger, source);
    sink_owner = std::make_unique<HandOver>(*ledger, sink);
  }

  void close() {
    if (!ledger) return;
    ledger->close_line(source.line);
    ledger->close_line(sink.line);
    ledger.reset();
  }

  void give(int from, int to, std::function<void()> then = nullptr, std::size_t size = 0) {
    SessionCore session(*ledger, source, *source_owner);
    session.begin_call();
    for (int i = from; i < to; ++i) {
      const FlowFile flowfile = session.create();
      std::string content = std::to_string(i) + ";";
      while (content.size() < size) content += static_cast<char>(noise_() >> 56);
      REQUIRE(session.write(flowfile, content).ok());
      session.transfer(flowfile, Relationship{0});
    }
    if (then) session.when_safe(std::move(then));
    REQUIRE(session.end_call().ok());
    session.commit();
  }

  std::vector<int> take(std::size_t count) {
    std::vector<int> all;
    SessionCore session(*ledger, sink, *sink_owner);
    while (all.size() < count) {
      session.begin_call();
      const FlowFile flowfile = session.get();
      if (!flowfile) break;
      all.push_back(std::atoi(std::string(*session.content(flowfile, 1 << 20)).c_str()));
      session.drop(flowfile);
      REQUIRE(session.end_call().ok());
    }
    session.commit();
    return all;
  }

  EpochNumber first_epoch = 1;
  std::chrono::milliseconds linger = LedgerOptions{}.linger;
  std::uint64_t disk_quota = 0;
  std::uint64_t reserve = 0;
  Vault vault;
  std::vector<std::string> told;  // of trouble
  ForgetfulDisk disk;
  ManualClock clock;
  std::unique_ptr<Ledger> ledger;
  Queue* queue = nullptr;
  Wiring source, sink;
  std::unique_ptr<HandOver> source_owner, sink_owner;

 private:
  std::mt19937_64 noise_;
  std::string path_;
};

}  // namespace runnel
