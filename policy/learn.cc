// Groups, then prints; every text from a guest is quoted.
#include "policy/learn.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "base/log.h"
#include "policy/glob.h"
#include "policy/host_pattern.h"
#include "policy/path_pattern.h"
#include "policy/percent.h"
#include "policy/print.h"
#include "policy/target.h"

namespace anchorhold::policy {
namespace {

using Query = std::map<std::string, std::set<std::string>>;  // values by key

struct Destination {
    std::string host;
    uint16_t port = 0;
    proto::Protocol protocol = proto::HTTPS;
    auto operator<=>(const Destination&) const = default;
};

// Requests of one rule differ in paths and in the values of their query keys.
struct Group {
    std::set<std::string> methods;
    std::set<std::string> keys;
    auto operator<=>(const Group&) const = default;
};

struct Seen {
    std::set<std::string> methods;
    Query query;
};

struct PathSeen {
    std::string path;
    std::set<std::string> keys;
    auto operator<=>(const PathSeen&) const = default;
};

std::string path_pattern_of(const Target& target) {
    proto::PathPattern pattern;
    for (const std::string& segment : target.segments) {
        pattern.add_segments(glob_literal(segment));
    }
    pattern.set_folder(target.folder);
    const std::string text = path_pattern_text(pattern);
    return text.empty() ? "/" : text;
}

// In double quotes, as YAML and JSON both read it.
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            result.push_back('\\');
            result.push_back(c);
        } else if (byte < 0x20 || byte == 0x7f) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result.push_back(c);
        }
    }
    return result + "\"";
}

template <typename Items>
std::string quoted_list(const Items& items) {
    std::string list;
    for (const std::string& item : items) {
        list += (list.empty() ? "" : ", ") + quoted(item);
    }
    return "[" + list + "]";
}

class Learner {
  public:
    void add(const DeniedRequest& request) {
        const auto host = parse_host_pattern(request.host);
        const bool named = host && !host->any() && !host->has_suffix() && request.port != 0;
        const bool spliced = request.protocol == proto::TLS || request.protocol == proto::TCP;
        const auto target = spliced ? Result<Target>(Target{}) : parse_target(request.target);
        if (!named || !target || !method_is_plain(request.method) || target->asterisk) {
            left_out_.insert(fmt::format("{} {}://{}:{}{}", log::escaped(request.method, 32),
                                         protocol_word(request.protocol),
                                         log::escaped(request.host, 253), request.port,
                                         log::escaped(request.target, 200)));
            return;
        }
        auto& paths = seen_[Destination{request.host, request.port, request.protocol}];
        if (spliced) {
            return;
        }
        PathSeen path{path_pattern_of(*target), {}};
        for (const auto& [key, value] : target->query) {
            path.keys.insert(key);
        }
        Seen& seen = paths[path];
        seen.methods.insert(request.method);
        for (const auto& [key, value] : target->query) {
            // A value that cannot be written down is one that any value may stand for.
            seen.query[key].insert(is_utf8(value) ? glob_literal(value) : "*");
        }
    }

    std::string print(std::string_view name) const {
        std::string text = fmt::format(
            "# What the run was denied, and nothing more. Read it, cut what the agent should not "
            "have, and pass it\n# with --policy. Credentials are not learned.\nversion: 1\nkind: "
            "grant\nname: {}\n",
            name);
        text += seen_.empty() ? "# Nothing was denied that a grant could allow.\n" : "\nallow:\n";
        for (const auto& [destination, paths] : seen_) {
            print_destination(destination, paths, text);
        }
        for (const std::string& line : left_out_) {
            text += fmt::format("# No grant can allow: {}\n", line);
        }
        return text;
    }

  private:
    using Paths = std::map<PathSeen, Seen>;

    static bool method_is_plain(const std::string& method) {
        return method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == std::string::npos &&
               method.size() <= 32;
    }

    static void print_head(const Destination& destination, std::string& text) {
        text += fmt::format("  - host: {}\n", quoted(destination.host));
        const bool usual = (destination.protocol == proto::HTTPS && destination.port == 443) ||
                           (destination.protocol == proto::HTTP && destination.port == 80);
        if (destination.protocol != proto::HTTPS) {
            text += fmt::format("    protocol: {}\n", protocol_word(destination.protocol));
        }
        if (!usual) {
            text += fmt::format("    port: {}\n", destination.port);
        }
    }

    static void print_destination(const Destination& destination, const Paths& paths,
                                  std::string& text) {
        if (paths.empty()) {
            print_head(destination, text);
            return;
        }
        std::map<Group, std::pair<std::set<std::string>, Query>> groups;
        for (const auto& [path, seen] : paths) {
            auto& [group_paths, query] = groups[Group{seen.methods, path.keys}];
            group_paths.insert(path.path);
            for (const auto& [key, values] : seen.query) {
                query[key].insert(values.begin(), values.end());
            }
        }
        for (const auto& [group, rest] : groups) {
            print_head(destination, text);
            if (!group.methods.empty()) {
                text += fmt::format("    methods: {}\n", quoted_list(group.methods));
            }
            text += "    paths:\n";
            for (const std::string& path : rest.first) {
                text += fmt::format("      - {}\n", quoted(path));
            }
            if (!rest.second.empty()) {
                text += "    query:\n";
                for (const auto& [key, values] : rest.second) {
                    text += fmt::format("      {}: {}\n", quoted(key), quoted_list(values));
                }
            }
        }
    }

    std::map<Destination, Paths> seen_;
    std::set<std::string> left_out_;
};

}  // namespace

std::string learn_policy(std::string_view name, std::span<const DeniedRequest> denied) {
    Learner learner;
    for (const DeniedRequest& request : denied) {
        learner.add(request);
    }
    return learner.print(name);
}

}  // namespace anchorhold::policy
