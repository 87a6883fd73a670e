// Who keeps sandboxes' descriptors while there is no supervisor: the keeper in the program
// (keeper_link.h), nobody in tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/engine.h"

namespace anchorhold::service {

class Keeping {
  public:
    virtual ~Keeping() = default;

    // From when this returns the sandbox outlives us. Roles that are kept already are replaced.
    virtual Status hold(const std::string& sandbox,
                        const std::vector<KeptDescriptor>& descriptors) = 0;
    // Nothing is kept of it any more.
    virtual void drop(const std::string& sandbox) = 0;

    // Before anything else is asked: what an earlier supervisor left. These wait for the keeper.
    virtual Result<std::vector<std::string>> list() = 0;
    virtual Result<std::map<std::string, OwnFd>> take(const std::string& sandbox) = 0;
};

}  // namespace anchorhold::service
