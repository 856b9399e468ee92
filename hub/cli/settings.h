// What `runnelctl login` remembers: ~/.config/runnel/hub.json, for its owner alone.

#pragma once

#include <string>

#include "agent/base/result.h"
#include "hub/cli/client.h"

namespace runnel::hub {

// $XDG_CONFIG_HOME/runnel/hub.json, or ~/.config/runnel/hub.json.
std::string settings_file();
Result<> save_access(const std::string& file, const HubAccess& access);
// Nothing in it when there is no file.
Result<HubAccess> load_access(const std::string& file);
// Options before environment before what was saved. A saved token goes to no other hub than its
// own.
HubAccess resolve_access(const HubAccess& options, const HubAccess& environment,
                         const HubAccess& saved);
HubAccess environment_access();  // RUNNEL_HUB, RUNNEL_CA, RUNNEL_TOKEN

}  // namespace runnel::hub
