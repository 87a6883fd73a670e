// One destination for each host pattern of each rule.
#include "supervisor/window/destinations.h"

namespace anchorhold::supervisor {

proto::AddClient destinations_of(uint64_t client, const proto::ResolvedPolicy& policy) {
    proto::AddClient add;
    add.set_client(client);
    for (const proto::Rule& rule : policy.rules()) {
        if (rule.effect() == proto::Rule::DENY) {
            continue;
        }
        for (const proto::HostPattern& pattern : rule.hosts()) {
            proto::Destination& destination = *add.add_destinations();
            switch (pattern.pattern_case()) {
                case proto::HostPattern::kExact:
                    destination.set_host(pattern.exact());
                    break;
                case proto::HostPattern::kSuffix:
                    destination.set_host("*." + pattern.suffix());
                    break;
                case proto::HostPattern::kCidr:
                    destination.set_cidr(pattern.cidr());
                    break;
                default:
                    destination.set_host("*");
                    break;
            }
            *destination.mutable_ports() = rule.ports();
            *destination.mutable_private_ranges() = rule.private_ranges();
        }
    }
    return add;
}

}  // namespace anchorhold::supervisor
