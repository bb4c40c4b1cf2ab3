import Personas

/// The stores of a service, some of which a test puts others in the place of.
struct OtherStores: AdministrationStores {
    private let storage: any AdministrationStores
    var audit: any AuditStore
    var backups: (any BackupStore)?

    init(_ storage: any AdministrationStores) {
        self.storage = storage
        (audit, backups) = (storage.audit, storage.backups)
    }

    var accounts: any AccountStore { storage.accounts }
    var keys: any APIKeyStore { storage.keys }
    var names: any ReservedNameStore { storage.names }
    var terms: any BlockedTermStore { storage.terms }
    var maintenance: any MaintenanceStore { storage.maintenance }
    var pikzonalities: any PikzonalityStore { storage.pikzonalities }
    var credits: any CreditStore { storage.credits }
    var smartBalances: any SmartBalanceStore { storage.smartBalances }
    var trash: any TrashStore { storage.trash }
    var webhooks: any WebhookStore { storage.webhooks }
    var secretsKeyRotation: any SecretsKeyRotation { storage.secretsKeyRotation }
    var schema: any SchemaStore { storage.schema }
    var integrity: any IntegrityStore { storage.integrity }
    var usage: any StoreUsage { storage.usage }
    var queueDepths: any QueueDepthStore { storage.queueDepths }
    var events: any EventStore { storage.events }
    var feed: EventFeed { storage.feed }
    var companions: any Companions { storage.companions }
    var epoch: any EpochStore { storage.epoch }
}
