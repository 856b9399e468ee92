// Commands that ask a running agent.

#include <chrono>

#include "agent/base/bytes.h"
#include "agent/command_words.h"
#include "agent/output.h"

namespace runnel {
namespace {

// The most that a running agent gives in one answer.
constexpr std::int64_t kLimitMax = 1000;
constexpr std::int64_t kContentMax = 1 << 20;

void add_limit(CLI::App& command, Words& words) {
  command.add_option("--limit", words.limit, "At most so many; up to 1000.")
      ->check(CLI::Range(std::int64_t{1}, kLimitMax));
}

void add_queue_commands(CLI::App& app, Words& words) {
  CLI::App* queue = app.add_subcommand("queue", "Look into a connection's queue, or empty it.");
  queue->require_subcommand(1);
  CLI::App* list = add_inspection(
      *queue, words, "list", "The FlowFiles queued, in the order of taking.",
      [&words] { return queue_list_command(words.where, words.target, words.limit); });
  list->add_option("CONNECTION", words.target, "Name, path or id.")->required()->check(named());
  add_limit(*list, words);
  CLI::App* peek =
      add_inspection(*queue, words, "peek", "One FlowFile with its content.", [&words] {
        return queue_peek_command(words.where, words.target, words.provenance.flowfile,
                                  words.content_max);
      });
  peek->add_option("CONNECTION", words.target, "Name, path or id.")->required()->check(named());
  peek->add_option("FLOWFILE", words.provenance.flowfile,
                   "Its uuid or number; default: the first.");
  peek->add_option("--bytes", words.content_max, "Bytes of content shown; up to 1048576.")
      ->check(CLI::Range(std::int64_t{0}, kContentMax));
  CLI::App* purge =
      add_inspection(*queue, words, "purge", "Remove what is queued; counted in the loss ledger.",
                     [&words] { return queue_purge_command(words.where, words.target); });
  purge->add_option("CONNECTION", words.target, "Name, path or id.")->required()->check(named());
  CLI::App* parked =
      queue->add_subcommand("parked", "What connections hold that the flow has no longer.");
  parked->require_subcommand(1);
  add_inspection(*parked, words, "list", "Which there are.",
                 [&words] { return parked_list_command(words.where); });
  CLI::App* attach = add_inspection(
      *parked, words, "attach", "Put what is parked into a connection of the flow.",
      [&words] { return parked_attach_command(words.where, words.target, words.target_too); });
  attach->add_option("PARKED", words.target, "Its id.")->required()->check(named());
  attach->add_option("CONNECTION", words.target_too, "Name, path or id.")
      ->required()
      ->check(named());
  CLI::App* parked_export = add_inspection(
      *parked, words, "export", "Write it to a file that `doctor import` and NiFi can read.",
      [&words] { return parked_export_command(words.where, words.target, words.doctor); });
  parked_export->add_option("PARKED", words.target, "Its id.")->required()->check(named());
  parked_export->add_option("FILE", words.doctor.file, "The file to write; what is parked stays.")
      ->required();
  add_key_option(*parked_export, words.doctor);
  add_plain_flag(*parked_export, words.doctor);
  CLI::App* parked_purge =
      add_inspection(*parked, words, "purge", "Remove it; counted in the loss ledger.",
                     [&words] { return queue_purge_command(words.where, words.target); });
  parked_purge->add_option("PARKED", words.target, "Its id.")->required()->check(named());
}

void add_tap(CLI::App& app, Words& words) {
  TapRequest& request = words.tap;
  CLI::App* tap =
      add_inspection(app, words, "tap", "Show the next FlowFiles that enter a connection.",
                     [&words] { return tap_command(words.where, words.tap); });
  tap->add_option("CONNECTION", request.connection, "Name, path or id.")
      ->required()
      ->check(named());
  tap->add_option("--limit,--count", request.limit, "End after so many.")
      ->check(CLI::PositiveNumber);
  tap->add_option("--seconds", request.seconds, "End after so long.")->check(CLI::PositiveNumber);
  tap->add_option("--sample", request.sample, "One of so many that enter: 1/100.")
      ->type_name("SHARE");
  tap->add_option("--rate", request.rate, "At most so many a second.")->check(CLI::PositiveNumber);
  tap->add_option("--mask", request.masks,
                  "Attribute, or JSON path ($.driver.name), that is shown as ***; repeatable.")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
}

int top_words(Words& words) {
  const auto interval = parse_period(words.interval);
  if (!interval.ok()) return usage_error("--interval: " + interval.error().text());
  words.top.interval = std::chrono::duration_cast<std::chrono::milliseconds>(*interval);
  if (words.top.interval < std::chrono::milliseconds(100))
    return usage_error("--interval: at least 100 ms");
  return top_command(words.top);
}

void add_top(CLI::App& app, Words& words) {
  CLI::App* top = app.add_subcommand(
      "top", "A running agent on the whole screen: rates, queues, losses; `q` ends it.");
  top->add_option("--state", words.top.state_dir, "The agent's state directory.")
      ->required()
      ->type_name("DIR");
  top->add_option("--interval", words.interval, "How often it is looked at. Default: 1 sec.")
      ->type_name("PERIOD");
  top->callback([&words] { words.command = [&words] { return top_words(words); }; });
}

void add_times(CLI::App& command, Words& words) {
  command.add_option("--from", words.provenance.from,
                     "Since: an age (`1 hour`) or a time (2026-01-01T00:00:00Z).");
  command.add_option("--to", words.provenance.to, "Until, likewise.");
}

void add_provenance_commands(CLI::App& app, Words& words) {
  CLI::App* provenance =
      add_inspection(app, words, "provenance", "What happened to FlowFiles, newest first.", {});
  provenance->callback([&words, provenance] {
    if (!provenance->get_subcommands().empty()) return;  // they have said what is to be done
    words.command = [&words] {
      words.provenance.limit = words.limit;
      return provenance_command(words.where, words.provenance);
    };
  });
  provenance->add_option("--flowfile", words.provenance.flowfile,
                         "Of this FlowFile: uuid or number.");
  provenance->add_flag("--lineage", words.provenance.with_lineage,
                       "Of its ancestors and descendants too.");
  provenance->add_option("--component", words.provenance.component,
                         "Of this processor: name, path or id.");
  provenance->add_option("--kind", words.provenance.kind, "Of this kind, e.g. SEND.");
  provenance->add_option("--relationship", words.provenance.relationship,
                         "That went to this relationship.");
  provenance
      ->add_option("--attribute", words.provenance.attributes,
                   "NAME=VALUE that the FlowFiles have had; repeatable. Of recorded attributes "
                   "(the setting `provenance_attributes`).")
      ->take_all()
      ->allow_extra_args(false);
  add_times(*provenance, words);
  add_limit(*provenance, words);
  // Options of theirs that they do not know are the command's: --state, --json.
  CLI::App* lineage = provenance->add_subcommand(
      "lineage", "What a FlowFile was made of and what was made of it, as a tree.");
  lineage->fallthrough();
  lineage->add_option("FLOWFILE", words.target, "Its uuid or number.")->required()->check(named());
  lineage->callback([&words] {
    words.command = [&words] { return lineage_command(words.where, words.target); };
  });
  CLI::App* replay = provenance->add_subcommand(
      "replay", "Queue FlowFiles that have ended once more, where they stood last.");
  replay->fallthrough();
  replay->add_option("FLOWFILE", words.provenance.flowfile,
                     "Its uuid or number; none: all that ended between --from and --to.");
  replay->add_flag("--dry-run", words.provenance.is_dry_run, "Only say what would be done.");
  replay->callback([&words] {
    words.command = [&words] { return replay_command(words.where, words.provenance); };
  });
}

}  // namespace

void add_inspections(CLI::App& app, Words& words) {
  add_inspection(app, words, "status", "How the flow does: processors, connections, loss ledger.",
                 [&words] { return status_command(words.where); });
  add_inspection(app, words, "bulletins", "What the components had to say, oldest first.",
                 [&words] { return bulletins_command(words.where); });
  add_provenance_commands(app, words);
  add_tap(app, words);
  CLI::App* start = add_inspection(
      app, words, "start",
      "Start a processor that stands still, a process group or all; enable a service.",
      [&words] { return start_command(words.where, words.target, words.is_once); });
  start->add_option("COMPONENT", words.target, "Name, path or id; none: all.")->check(named());
  start->add_flag("--once", words.is_once,
                  "Trigger what stands still a single time, then stop it again; exit 1 if that "
                  "fails.");
  CLI::App* stop = add_inspection(
      app, words, "stop",
      "Stop a processor, a process group or all; disable a service. The agent stays.",
      [&words] { return stop_command(words.where, words.target); });
  stop->add_option("COMPONENT", words.target, "Name, path or id; none: all.")->check(named());
  CLI::App* flush = add_inspection(
      app, words, "flush", "Have everything that is queued on disk, and say how long it took.",
      [&words] { return flush_command(words.where, words.within); });
  flush->add_option("--within", words.within, "Give up after so long, e.g. `200ms`.");
  add_queue_commands(app, words);
  add_top(app, words);
}

}  // namespace runnel
