// The ends of connections: from `name`, `name.relationship` and `group.port` to what they name.

#include <map>
#include <variant>

#include "agent/flow/yaml_elements.h"

namespace runnel {
namespace {

class Linker {
 public:
  Linker(ProcessGroup& group, Reading& reading) : group_(group), complaints_(reading.complaints) {
    for (const ProcessorNode& one : group.processors) elements_.emplace(one.name, &one);
    for (const ProcessGroup& one : group.groups) elements_.emplace(one.name, &one);
    for (const Port& one : group.input_ports) elements_.emplace(one.name, &one);
    for (const Port& one : group.output_ports) elements_.emplace(one.name, &one);
    for (const Funnel& one : group.funnels) elements_.emplace(one.name, &one);
  }

  // Returns the element's name as the connection's default name shows it.
  std::string link_from(Connection& connection) {
    return link(connection.from, &connection, PortKind::kOutput);
  }
  std::string link_to(Connection& connection) {
    return link(connection.to, nullptr, PortKind::kInput);
  }

 private:
  using Element =
      std::variant<const ProcessorNode*, const ProcessGroup*, const Port*, const Funnel*>;

  // `from` is the connection when this end is its beginning. `inner` is the kind of port that may
  // be named in a group within this one.
  std::string link(Endpoint& end, Connection* from, PortKind inner) {
    const std::string written = end.path;
    if (written.empty()) return {};
    const std::size_t dot = written.find('.');
    const std::string name = written.substr(0, dot);
    const std::string rest = dot == std::string::npos ? "" : written.substr(dot + 1);
    end.path.clear();
    const auto found = elements_.find(name);
    if (found == elements_.end()) {
      complain_unknown(end.at, name);
      return written;
    }
    const bool is_group = std::holds_alternative<const ProcessGroup*>(found->second);
    if (dot != std::string::npos && rest.empty() && !is_group) {
      complaints_.add(end.at, "nothing stands behind the `.` of " + backquoted(written));
    }
    if (const auto* processor = std::get_if<const ProcessorNode*>(&found->second)) {
      to_processor(end, **processor, from, rest);
    } else if (const auto* group = std::get_if<const ProcessGroup*>(&found->second)) {
      to_group(end, **group, inner, rest);
      return written;
    } else if (const auto* port = std::get_if<const Port*>(&found->second)) {
      to_own_port(end, **port, from != nullptr, rest);
    } else if (const auto* funnel = std::get_if<const Funnel*>(&found->second)) {
      end.kind = EndpointKind::kFunnel;
      if (no_rest(end.at, name, "a funnel", rest)) settle(end, **funnel);
    }
    if (from && end.kind != EndpointKind::kProcessor && !from->relationships.empty()) {
      complaints_.add(from->relationships.front().at,
                      "`relationships` are a processor's; " + backquoted(name) + " is none");
    }
    return name;
  }

  template <typename T>
  static void settle(Endpoint& end, const T& element) {
    end.id = element.id;
    end.path = element.path;
  }

  void complain_unknown(Position at, const std::string& name) {
    if (complaints_.is_full()) return complaints_.add(at, {});
    if (names_.empty()) {
      for (const auto& [known, element] : elements_) names_.push_back(known);
    }
    std::string cure = did_you_mean(name, names_);
    if (cure.empty()) {
      cure = names_.empty() ? "; there is nothing in it" : "; there are " + listed(names_);
    }
    const std::string where =
        group_.path.empty() ? "the flow" : "the group " + backquoted(group_.path);
    complaints_.add(at, "there is no " + backquoted(name) + " in " + where + cure);
  }

  bool no_rest(Position at, const std::string& name, std::string_view what,
               const std::string& rest) {
    if (rest.empty()) return true;
    complaints_.add(
        at, backquoted(name) + " is " + std::string(what) + "; it has no " + backquoted(rest));
    return false;
  }

  void to_processor(Endpoint& end, const ProcessorNode& processor, Connection* from,
                    const std::string& rest) {
    settle(end, processor);
    if (rest.empty()) return;
    if (from == nullptr) {
      complaints_.add(end.at,
                      "a connection leads to a processor, not to a relationship of it; "
                      "write " +
                          backquoted(processor.name));
      return;
    }
    if (!from->relationships.empty()) {
      complaints_.add(end.at, "the relationship is named twice: in `from` and in `relationships`");
      return;
    }
    Position at = end.at;
    from->relationships.push_back({rest, at});
  }

  void to_group(Endpoint& end, const ProcessGroup& group, PortKind kind, const std::string& port) {
    const bool is_input = kind == PortKind::kInput;
    end.kind = is_input ? EndpointKind::kInputPort : EndpointKind::kOutputPort;
    std::vector<std::string> names;
    for (const Port& one : is_input ? group.input_ports : group.output_ports) {
      if (one.name == port) return settle(end, one);
      names.push_back(one.name);
    }
    const std::string what = is_input ? "input port" : "output port";
    std::string text = backquoted(group.name) + " is a process group; ";
    if (names.empty()) {
      text += "it has no " + what;
    } else if (port.empty()) {
      text += "name its " + what + ": " + backquoted(group.name + "." + names.front());
    } else {
      text += "it has no " + what + " " + backquoted(port) + ", but " + listed(names);
    }
    complaints_.add(end.at, std::move(text));
  }

  void to_own_port(Endpoint& end, const Port& port, bool is_from, const std::string& rest) {
    const bool is_input = port.kind == PortKind::kInput;
    end.kind = is_input ? EndpointKind::kInputPort : EndpointKind::kOutputPort;
    const std::string what = is_input ? "an input port" : "an output port";
    if (!no_rest(end.at, port.name, what, rest)) return;
    if (is_input == is_from) return settle(end, port);
    complaints_.add(end.at, is_from ? backquoted(port.name) +
                                          " is an output port of this group: FlowFiles "
                                          "leave by it; connect from it in the group around"
                                    : backquoted(port.name) +
                                          " is an input port of this group: FlowFiles "
                                          "enter by it; connect to it in the group around");
  }

  ProcessGroup& group_;
  Complaints& complaints_;
  std::map<std::string, Element, std::less<>> elements_;
  std::vector<std::string> names_;  // of all elements, once somebody needs them
};

}  // namespace

void link_connections(ProcessGroup& group, Reading& reading) {
  Linker linker(group, reading);
  std::map<std::string, Position> names;
  for (Connection& connection : group.connections) {
    const std::string from = linker.link_from(connection);
    const std::string to = linker.link_to(connection);
    const bool is_named = !connection.name.empty();
    if (!is_named) connection.name = from + " -> " + to;
    connection.id = connection_id(reading.flow_name, group.path, connection.name);
    if (from.empty() || to.empty()) continue;
    const auto [found, is_new] = names.emplace(connection.name, connection.at);
    if (is_new) continue;
    const std::string line = std::to_string(found->second.line);
    reading.complaints.add(
        connection.at, is_named
                           ? "duplicate name " + backquoted(connection.name) +
                                 "; it stands in line " + line + " already"
                           : "a second connection from " + backquoted(from) + " to " +
                                 backquoted(to) + " (the first: line " + line +
                                 "); name all its `relationships` in one, or give each a `name`");
  }
}

}  // namespace runnel
