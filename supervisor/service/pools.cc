// Targets, claims and views; pool_filling.cc works towards the targets, and
// pool_pressure.cc away from them.
#include "supervisor/service/pools.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "supervisor/service/pool_making.h"
#include "supervisor/service/record.h"

namespace anchorhold::service {
namespace {

using Json = nlohmann::ordered_json;

std::optional<uint32_t> count_in(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number_unsigned() ||
        found->get<uint64_t>() > kMaxPoolTarget) {
        return std::nullopt;
    }
    return found->get<uint32_t>();
}

supervisor::MachineShape shape_of(const TemplateInfo& info) {
    return {info.cpus, info.memory_bytes, info.disk_bytes != 0 ? 2U : 1U};
}

}  // namespace

Pools::Pools(Parts parts) : parts_(std::move(parts)) {}

Pools::~Pools() {
    parts_.loop.cancel_timer(timer_);
    parts_.loop.cancel_timer(memory_timer_);
    if (making_) {
        *making_->handlers = {};
    }
}

Status Pools::load() {
    const auto text = sys::read_file(parts_.file);
    if (!text) {
        return text.error().code == ENOENT ? Status() : Status(tl::unexpected(text.error()));
    }
    const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
        return fail(parts_.file + ": not what this build writes; remove it and set the pools anew");
    }
    for (const auto& [name, entry] : json.items()) {
        const auto parked = entry.is_object() ? count_in(entry, "parked") : std::nullopt;
        const auto shells = entry.is_object() ? count_in(entry, "shells") : std::nullopt;
        if (!check_template_name(name) || !parked || !shells) {
            return fail(parts_.file + ": '" + name + "' is no pool of this build's");
        }
        pool_for(name).set_target({*parked, *shells});
    }
    schedule(Duration::zero());
    return {};
}

Pool& Pools::pool_for(const std::string& template_name) {
    std::unique_ptr<Pool>& pool = pools_[template_name];
    if (!pool) {
        pool = std::make_unique<Pool>(parts_.loop, template_name,
                                      [this] { schedule(Duration::zero()); });
    }
    return *pool;
}

Status Pools::write_targets() const {
    Json json = Json::object();
    for (const auto& [name, pool] : pools_) {
        json[name] = {{"parked", pool->target().parked}, {"shells", pool->target().shells}};
    }
    const std::string beside = parts_.file + ".new";
    ANCHORHOLD_TRY(parts_.steps.write_file(beside, json.dump(2) + "\n"));
    ANCHORHOLD_TRY(parts_.steps.sync_file(beside));
    ANCHORHOLD_TRY(parts_.steps.rename(beside, parts_.file));
    return parts_.steps.sync_file(parts_.file.substr(0, parts_.file.rfind('/')));
}

Result<PoolView> Pools::set(const std::string& template_name, PoolTarget target) {
    if (target.parked > kMaxPoolTarget || target.shells > kMaxPoolTarget) {
        return fail(fmt::format("a pool has at most {} of each", kMaxPoolTarget), EINVAL);
    }
    const bool wanted = target.parked != 0 || target.shells != 0;
    if (wanted) {
        ANCHORHOLD_TRY(parts_.engine.find_template(template_name));
    } else if (!pools_.contains(template_name)) {
        return fail(fmt::format("there is no pool of '{}'", template_name), ENOENT);
    }
    Pool& pool = pool_for(template_name);
    const PoolTarget before = pool.target();
    pool.set_target(target);
    pool.not_before = {};  // whoever sets it anew does not want to wait for an old failure
    if (const Status written = write_targets(); !written) {
        pool.set_target(before);
        return tl::unexpected(written.error());
    }
    const PoolView result = view(pool);
    if (!wanted) {
        pools_.erase(template_name);
        limits_.erase(template_name);
        return write_targets() ? Result<PoolView>(result) : Result<PoolView>(result);
    }
    schedule(Duration::zero());
    return result;
}

PoolView Pools::view(const Pool& pool) const {
    const auto limit = limits_.find(pool.template_name());
    return {pool.template_name(),
            pool.target(),
            pool.parked(),
            pool.shells(),
            pool.claimed(),
            pool.last_error,
            limit == limits_.end() ? std::string() : limit->second};
}

std::vector<PoolView> Pools::list() const {
    std::vector<PoolView> views;
    for (const auto& [name, pool] : pools_) {
        views.push_back(view(*pool));
    }
    return views;
}

Result<PoolView> Pools::find(const std::string& template_name) const {
    const auto found = pools_.find(template_name);
    if (found == pools_.end()) {
        return fail(fmt::format("there is no pool of '{}'", template_name), ENOENT);
    }
    return view(*found->second);
}

HeldSandbox Pools::claim_parked(const std::string& template_name) {
    const auto found = pools_.find(template_name);
    return found == pools_.end() ? HeldSandbox() : found->second->claim_parked();
}

std::unique_ptr<Shell> Pools::claim_shell(const std::string& template_name) {
    const auto found = pools_.find(template_name);
    return found == pools_.end() ? nullptr : found->second->claim_shell();
}

std::unique_ptr<Shell> Pools::claim_shell_of(const supervisor::MachineShape& shape) {
    for (const auto& [name, pool] : pools_) {
        const auto info = pool->shells() == 0 ? Result<TemplateInfo>(fail("no shell waits"))
                                              : parts_.engine.find_template(name);
        if (info && shape_of(*info) == shape) {
            return pool->claim_shell();
        }
    }
    return nullptr;
}

void Pools::begin_foreground() {
    ++foreground_;
}

void Pools::end_foreground() {
    --foreground_;
    quiet_until_ = parts_.loop.clock().now() + kQuiet;
    schedule(kQuiet);
}

std::shared_ptr<const void> Pools::foreground() {
    begin_foreground();
    return {this, [held = std::weak_ptr(self_)](const Pools*) {
                if (const auto self = held.lock()) {
                    (*self)->end_foreground();
                }
            }};
}

void Pools::stop() {
    stopped_ = true;
    parts_.loop.cancel_timer(std::exchange(timer_, 0));
    parts_.loop.cancel_timer(std::exchange(memory_timer_, 0));
    if (making_) {
        *making_->handlers = {};
        making_.reset();
    }
    for (const auto& [name, pool] : pools_) {
        pool->set_target({});
    }
}

}  // namespace anchorhold::service
