// The flow that last worked, on disk; what flow_keeper.h promises.

#include "agent/uplink/flow_keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "agent/base/descriptor.h"
#include "agent/base/hash.h"
#include "agent/base/log.h"

namespace runnel {
namespace {

constexpr std::size_t kFileMax = 65 * 1024 * 1024;
constexpr std::string_view kSealed = "RNLS1\n";
constexpr std::string_view kPlace = "hub-flow";  // of both: one becomes the other

Error failed(const std::string& what, const std::string& path) {
  return unavailable(what + " `" + path + "`: " + std::strerror(errno));
}

Result<> write_synced(const std::string& path, const std::string& bytes) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.is_open()) return failed("cannot write", path);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(file.number(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failed("cannot write", path);
    done += static_cast<std::size_t>(count);
  }
  if (fsync(file.number()) != 0) return failed("cannot sync", path);
  return {};
}

Result<std::string> read_whole(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return not_found("no `" + path + "`");
  Result<std::string> bytes = read_to_end(file, kFileMax);
  if (bytes.ok()) return bytes;
  if (bytes.code() == Code::kFull) return corrupt("`" + path + "` is too large");
  return bytes.error().within("cannot read `" + path + "`");
}

std::string file_text(const DeliveredFlow& flow) {
  const nlohmann::ordered_json head = {{"id", flow.id},
                                       {"version", flow.version},
                                       {"url", flow.url},
                                       {"sha256", sha256_hex(flow.text)},
                                       {"size", flow.text.size()}};
  return head.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n" +
         flow.text;
}

Result<DeliveredFlow> flow_of(const std::string& bytes, const std::string& path) {
  const std::size_t line = std::min(bytes.find('\n'), bytes.size());
  const auto head =
      nlohmann::json::parse(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(line),
                            nullptr, /*allow_exceptions=*/false);
  if (!head.is_object()) return corrupt("`" + path + "` has no head");
  const auto text = [&head](const char* name) {
    const auto found = head.find(name);
    return found != head.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  DeliveredFlow flow{.id = text("id"),
                     .version = text("version"),
                     .text = bytes.substr(std::min(line + 1, bytes.size())),
                     .url = text("url")};
  if (sha256_hex(flow.text) != text("sha256"))
    return corrupt("`" + path + "` is damaged: its text has another digest");
  return flow;
}

}  // namespace

namespace {

Result<> rename_synced(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return failed("cannot rename to", to);
  const std::string folder = to.substr(0, to.rfind('/'));
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || fsync(directory.number()) != 0) return failed("cannot sync", folder);
  return {};
}

}  // namespace

std::string FlowKeeper::to_disk(const std::string& text) const {
  return sealer_ == nullptr ? text : std::string(kSealed) + sealer_->seal(text, kPlace);
}

Result<std::string> FlowKeeper::read(const std::string& path) const {
  TRY_ASSIGN(bytes, read_whole(path));
  if (!bytes.starts_with(kSealed)) return bytes;
  if (sealer_ == nullptr) return invalid("`" + path + "` is encrypted, and no key is given");
  return sealer_->open(std::string_view(bytes).substr(kSealed.size()), kPlace)
      .within("`" + path + "`");
}

Result<> FlowKeeper::keep(const DeliveredFlow& flow) {
  const std::string text = file_text(flow);
  auto present = read(path_);
  if (present.ok() && *present == text) return {};
  const std::string beside = path_ + ".new";
  TRY(write_synced(beside, to_disk(text)));
  if (present.ok()) std::rename(path_.c_str(), (path_ + ".previous").c_str());
  return rename_synced(beside, path_);
}

Result<> FlowKeeper::seal_kept() const {
  if (sealer_ == nullptr) return {};
  for (const char* end : {"", ".previous"}) {
    auto bytes = read_whole(path_ + end);
    if (!bytes.ok() && bytes.code() == Code::kNotFound) continue;
    TRY(bytes);
    if (bytes->starts_with(kSealed)) continue;
    TRY(write_synced(path_ + ".new", to_disk(*bytes)));
    TRY(rename_synced(path_ + ".new", path_ + end));
  }
  return {};
}

bool FlowKeeper::holds_sealed() const {
  for (const char* end : {"", ".previous"}) {
    const auto bytes = read_whole(path_ + end);
    if (bytes.ok() && bytes->starts_with(kSealed)) return true;
  }
  return false;
}

std::vector<DeliveredFlow> FlowKeeper::kept() const {
  std::vector<DeliveredFlow> flows;
  for (const char* end : {"", ".previous"}) {
    const auto text = read(path_ + end);
    auto flow = text.ok() ? flow_of(*text, path_ + end) : Result<DeliveredFlow>(text.error());
    if (flow.ok()) {
      flows.push_back(std::move(flow).value());
    } else if (flow.code() != Code::kNotFound) {
      log_error("uplink", "a kept flow cannot be used", {{"reason", flow.error().text()}});
    }
  }
  return flows;
}

}  // namespace runnel
