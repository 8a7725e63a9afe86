"""API versions by namespace, and the resource types and namespaces that Azure has whether emulated or not.

From https://learn.microsoft.com/azure/templates/ and https://github.com/Azure/azure-rest-api-specs. A version that a namespace
has is taken for each of its types.
"""

from __future__ import annotations

_VERSIONS = {
    "microsoft.machinelearningservices": """
        2018-03-01-preview 2018-11-19 2019-05-01 2019-06-01 2019-11-01 2020-01-01 2020-02-18-preview 2020-03-01
        2020-04-01 2020-05-01-preview 2020-05-15-preview 2020-06-01 2020-08-01 2020-09-01-dataplanepreview
        2020-09-01-preview 2021-01-01 2021-03-01-preview 2021-04-01 2021-07-01 2021-10-01
        2021-10-01-dataplanepreview 2022-01-01-preview 2022-02-01-preview 2022-05-01 2022-06-01-preview 2022-10-01
        2022-10-01-preview 2022-12-01-preview 2023-02-01-preview 2023-04-01 2023-04-01-preview 2023-06-01-preview
        2023-08-01-preview 2023-10-01 2024-01-01-preview 2024-04-01 2024-04-01-preview 2024-07-01 2024-07-01-preview
        2024-10-01 2024-10-01-preview 2025-01-01-preview 2025-04-01 2025-04-01-preview 2025-06-01 2025-07-01-preview
        2025-09-01 2025-10-01-preview 2025-12-01 2026-01-15-preview 2026-03-01 2026-03-15-preview 2026-05-01
        2026-05-01-preview 2026-05-15-preview
    """,
    "microsoft.storage": """
        2015-05-01-preview 2015-06-15 2016-01-01 2016-05-01 2016-12-01 2017-06-01 2017-10-01 2018-02-01
        2018-03-01-preview 2018-07-01 2018-11-01 2019-04-01 2019-06-01 2020-08-01-preview 2021-01-01 2021-02-01
        2021-04-01 2021-05-01 2021-06-01 2021-08-01 2021-09-01 2022-05-01 2022-09-01 2023-01-01 2023-04-01
        2023-05-01 2024-01-01 2025-01-01 2025-06-01 2025-08-01 2026-04-01
    """,
    "microsoft.keyvault": """
        2015-06-01 2015-11-01 2016-10-01 2018-02-14 2018-02-14-preview 2019-09-01 2020-04-01-preview
        2021-04-01-preview 2021-06-01-preview 2021-10-01 2021-11-01-preview 2022-02-01-preview 2022-07-01 2022-11-01
        2023-02-01 2023-07-01 2023-08-01-preview 2024-04-01-preview 2024-11-01 2024-12-01-preview 2025-05-01
        2026-02-01 2026-03-01-preview
    """,
    "microsoft.operationalinsights": """
        2015-03-20 2015-11-01-preview 2017-04-26-preview 2019-08-01-preview 2019-09-01 2019-09-01-preview
        2020-03-01-preview 2020-08-01 2020-10-01 2021-06-01 2021-12-01-preview 2022-10-01 2023-09-01 2025-02-01
        2025-07-01
    """,
    "microsoft.insights": """
        2014-04-01 2015-04-01 2015-05-01 2016-03-01 2017-05-01-preview 2017-10-01 2017-12-01-preview 2018-01-01
        2018-03-01 2018-04-16 2018-05-01-preview 2018-06-17-preview 2019-03-01 2019-10-17-preview 2020-02-02
        2020-02-02-preview 2020-02-10-preview 2020-03-01-preview 2020-06-02-preview 2020-10-01 2020-10-05-preview
        2020-10-20 2020-11-20 2021-03-08 2021-04-01 2021-05-01-preview 2021-07-01-preview 2021-08-01 2021-09-01
        2021-10-14 2022-04-01 2022-06-01 2022-06-15 2022-10-01 2023-01-01 2023-03-11 2023-04-03 2023-05-01-preview
        2023-06-01 2023-06-01-preview 2023-09-01-preview 2023-10-01 2023-10-01-preview 2023-12-01 2024-02-01
        2024-03-01-preview 2024-03-11 2024-10-01-preview 2025-01-01-preview 2025-03-01-preview 2025-05-03-preview
        2025-10-03 2025-10-03-preview 2026-01-01 2026-03-01 2026-04-01
    """,
    "microsoft.resources": """
        2014-04-01 2014-04-01-preview 2015-01-01 2015-11-01 2016-02-01 2016-06-01 2016-07-01 2016-09-01 2017-05-10
        2018-01-01 2018-02-01 2018-05-01 2018-06-01 2019-03-01 2019-05-01 2019-05-10 2019-06-01 2019-07-01 2019-08-01
        2019-10-01 2019-11-01 2020-01-01 2020-05-01 2020-06-01 2020-08-01 2020-09-01 2020-10-01 2021-01-01
        2021-03-01-preview 2021-04-01 2021-05-01 2022-02-01 2022-05-01 2022-08-01-preview 2022-09-01 2022-12-01
        2023-07-01 2023-08-01 2024-03-01 2024-07-01 2024-08-01 2024-11-01 2025-03-01 2025-04-01 2025-07-01
    """,
    "microsoft.authorization": """
        2015-01-01 2015-05-01-preview 2015-06-01 2015-07-01 2015-10-01-preview 2016-04-01 2016-09-01 2016-12-01
        2017-04-01 2017-06-01-preview 2017-10-01-preview 2018-01-01-preview 2018-03-01 2018-05-01 2018-07-01
        2018-09-01-preview 2019-01-01 2019-06-01 2019-09-01 2020-03-01-preview 2020-04-01-preview 2020-05-01
        2020-07-01-preview 2020-08-01-preview 2020-09-01 2020-10-01 2020-10-01-preview 2021-03-01-preview 2021-06-01
        2021-07-01-preview 2021-11-16-preview 2021-12-01-preview 2022-04-01 2022-05-01-preview 2022-06-01
        2022-07-01-preview 2022-08-01-preview 2023-04-01 2024-02-01-preview 2024-04-01 2024-05-01 2024-07-01-preview
        2024-09-01-preview 2024-12-01-preview 2025-01-01 2025-03-01 2025-11-01 2025-12-01-preview 2026-01-01-preview
        2026-06-01 2026-07-01
    """,
    "microsoft.managedidentity": """
        2015-08-31-preview 2018-11-30 2021-09-30-preview 2022-01-31-preview 2023-01-31 2023-07-31-preview 2024-11-30
        2025-01-31-preview 2025-05-31-preview
    """,
    "microsoft.containerregistry": """
        2017-03-01 2017-10-01 2019-05-01 2019-06-01-preview 2019-12-01-preview 2020-11-01-preview 2021-06-01-preview
        2021-08-01-preview 2021-09-01 2021-12-01-preview 2022-02-01-preview 2022-12-01 2023-01-01-preview
        2023-06-01-preview 2023-07-01 2023-08-01-preview 2023-11-01-preview 2024-11-01-preview 2025-03-01-preview
        2025-04-01 2025-05-01-preview 2025-06-01-preview 2025-11-01 2026-01-01 2026-01-01-preview 2026-03-01-preview
        2026-09-01-preview
    """,
    "microsoft.network": """
        2015-06-15 2016-09-01 2017-10-01 2018-04-01 2018-06-01 2018-07-01 2018-08-01 2018-09-01 2018-10-01 2018-11-01
        2018-12-01 2019-02-01 2019-04-01 2019-06-01 2019-07-01 2019-08-01 2019-09-01 2019-11-01 2019-12-01 2020-01-01
        2020-03-01 2020-04-01 2020-05-01 2020-06-01 2020-07-01 2020-08-01 2020-11-01 2020-11-20 2021-02-01
        2021-02-01-preview 2021-03-01 2021-03-01-preview 2021-05-01 2021-08-01 2022-01-01 2022-02-01-preview
        2022-04-01-preview 2022-05-01 2022-07-01 2022-09-01 2022-11-01 2023-02-01 2023-03-01-preview 2023-04-01
        2023-05-01 2023-06-01 2023-07-01-preview 2023-08-01-preview 2023-09-01 2023-11-01 2024-01-01
        2024-01-01-preview 2024-03-01 2024-05-01 2024-06-01 2024-06-01-preview 2024-07-01 2024-09-01-preview
        2024-10-01 2025-01-01 2025-03-01 2025-05-01 2025-07-01 2025-09-01 2026-01-01 2026-09-01
    """,
    "microsoft.consumption": """
        2017-04-24-preview 2017-11-30 2017-12-30-preview 2018-01-31 2018-03-31 2018-05-31 2018-06-30 2018-08-31 2018-10-01
        2018-11-01-preview 2019-01-01 2019-04-01-preview 2019-05-01 2019-05-01-preview 2019-06-01 2019-10-01 2019-11-01
        2021-05-01 2021-10-01 2022-06-01 2022-09-01 2023-03-01 2023-05-01 2023-11-01 2024-08-01
    """,
}
VERSIONS = {namespace: tuple(reversed(listed.split())) for namespace, listed in _VERSIONS.items()}

# The types of the namespaces above, lower case, below the namespace.
_TYPES = {
    "microsoft.machinelearningservices": """
        workspaces workspaces/batchendpoints workspaces/batchendpoints/deployments workspaces/capabilityhosts
        workspaces/codes workspaces/codes/versions workspaces/components workspaces/components/versions workspaces/computes
        workspaces/connections workspaces/connections/deployments workspaces/connections/raiblocklists
        workspaces/connections/raiblocklists/raiblocklistitems workspaces/connections/raipolicies workspaces/data
        workspaces/data/versions workspaces/datasets workspaces/datastores workspaces/endpoints workspaces/endpoints/deployments
        workspaces/environments workspaces/environments/versions workspaces/eventgridfilters workspaces/features
        workspaces/featuresets workspaces/featuresets/versions workspaces/featuresets/versions/features
        workspaces/featuresets/versions/features/versions workspaces/featurestoreentities
        workspaces/featurestoreentities/versions workspaces/inferencepools workspaces/inferencepools/endpoints
        workspaces/inferencepools/groups workspaces/jobs workspaces/labelingjobs workspaces/linkedservices
        workspaces/linkedworkspaces workspaces/managednetworks workspaces/managednetworks/outboundrules
        workspaces/marketplacesubscriptions workspaces/models workspaces/models/versions workspaces/onlineendpoints
        workspaces/onlineendpoints/deployments workspaces/onlineendpoints/deployments/skus
        workspaces/outboundnetworkdependenciesendpoints workspaces/outboundrules workspaces/privateendpointconnections
        workspaces/privatelinkresources workspaces/schedules workspaces/serverlessendpoints workspaces/services
        workspaces/usages workspaces/versions registries registries/codes registries/codes/versions registries/components
        registries/components/versions registries/data registries/data/versions registries/environments
        registries/environments/versions registries/models registries/models/versions registries/privateendpointconnections
        capacityreservationgroups virtualclusters virtualclusters/jobs operations locations locations/quotas
    """,
    "microsoft.storage": """
        storageaccounts storageaccounts/accountmigrations storageaccounts/blobservices
        storageaccounts/blobservices/containers storageaccounts/blobservices/containers/immutabilitypolicies
        storageaccounts/encryptionscopes storageaccounts/fileservices storageaccounts/fileservices/shares
        storageaccounts/inventorypolicies storageaccounts/localusers storageaccounts/managementpolicies
        storageaccounts/networksecurityperimeterconfigurations storageaccounts/objectreplicationpolicies
        storageaccounts/privateendpointconnections storageaccounts/privatelinkresources storageaccounts/queueservices
        storageaccounts/queueservices/queues storageaccounts/storagetaskassignments storageaccounts/tableservices
        storageaccounts/tableservices/tables deletedaccounts operations skus storagetasks
    """,
    "microsoft.keyvault": """
        vaults vaults/accesspolicies vaults/keys vaults/keys/versions vaults/privateendpointconnections
        vaults/privatelinkresources vaults/secrets deletedvaults hsmpools managedhsms managedhsms/keys
        managedhsms/privateendpointconnections operations
    """,
    "microsoft.operationalinsights": """
        workspaces workspaces/dataexports workspaces/datasources workspaces/features workspaces/linkedservices
        workspaces/linkedstorageaccounts workspaces/networksecurityperimeterconfigurations workspaces/query
        workspaces/savedsearches workspaces/sharedkeys workspaces/storageinsightconfigs
        workspaces/summarylogs workspaces/tables clusters deletedworkspaces operations querypacks querypacks/queries
    """,
    "microsoft.insights": """
        components components/analyticsitems components/apikeys components/currentbillingfeatures components/events
        components/exportconfiguration components/favorites components/linkedstorageaccounts components/myanalyticsitems
        components/proactivedetectionconfigs actiongroups activitylogalerts autoscalesettings datacollectionendpoints
        datacollectionruleassociations datacollectionrules diagnosticsettings diagnosticsettingscategories eventtypes
        guestdiagnosticsettings logprofiles metricalerts metricdefinitions metricnamespaces metrics myworkbooks
        privatelinkscopes privatelinkscopes/privateendpointconnections privatelinkscopes/scopedresources
        scheduledqueryrules tenantactiongroups webtests workbooks workbooktemplates operations
    """,
    "microsoft.resources": """
        resourcegroups subscriptions tenants providers resources tags deployments deployments/operations deploymentscripts
        deploymentstacks links operations subscriptions/locations subscriptions/operationresults subscriptions/providers
        subscriptions/resourcegroups subscriptions/resources subscriptions/tagnames templatespecs templatespecs/versions
        changes databoundaries
    """,
    "microsoft.authorization": """
        roleassignments roledefinitions locks policyassignments policydefinitions policydefinitions/versions
        policysetdefinitions policysetdefinitions/versions policyexemptions denyassignments permissions
        provideroperations classicadministrators elevateaccess checkaccess accessreviewscheduledefinitions
        roleeligibilityschedules roleeligibilityscheduleinstances roleeligibilityschedulerequests roleassignmentschedules
        roleassignmentscheduleinstances roleassignmentschedulerequests rolemanagementpolicies
        rolemanagementpolicyassignments roleassignmentapprovals privatelinkassociations resourcemanagementprivatelinks
        datapolicymanifests variables variables/values operations
    """,
    "microsoft.managedidentity": """
        identities userassignedidentities userassignedidentities/federatedidentitycredentials operations
    """,
    "microsoft.containerregistry": """
        registries registries/agentpools registries/archives registries/archives/versions registries/buildtasks
        registries/cacherules registries/connectedregistries registries/credentialsets registries/deleted
        registries/exportpipelines registries/importpipelines registries/packages/archives registries/pipelineruns
        registries/privateendpointconnections registries/privatelinkresources registries/replications registries/runs
        registries/scopemaps registries/taskruns registries/tasks registries/tokens registries/webhooks operations
    """,
    "microsoft.network": """
        applicationgateways applicationsecuritygroups azurefirewalls bastionhosts connections ddosprotectionplans dnszones
        expressroutecircuits firewallpolicies frontdoors ipgroups loadbalancers localnetworkgateways natgateways
        networkinterfaces networksecuritygroups networksecuritygroups/securityrules networksecurityperimeters networkwatchers
        privatednszones privatednszones/a privatednszones/virtualnetworklinks privateendpoints
        privateendpoints/privatednszonegroups privatelinkservices publicipaddresses publicipprefixes routetables
        routetables/routes serviceendpointpolicies trafficmanagerprofiles virtualhubs virtualnetworkgateways
        virtualnetworks virtualnetworks/subnets virtualnetworks/virtualnetworkpeerings virtualwans vpngateways operations
    """,
    "microsoft.consumption": """
        aggregatedcost balances budgets charges costtags credits events forecasts lots marketplaces operationresults
        operationstatus operations pricesheets products reservationdetails reservationrecommendationdetails
        reservationrecommendations reservationsummaries reservationtransactions tags tenants terms usagedetails
    """,
}
TYPES = {namespace: frozenset(listed.split()) for namespace, listed in _TYPES.items()}

# Other namespaces of Azure's own: known, and none of their types emulated.
OTHER_NAMESPACES = frozenset("""
    microsoft.aad microsoft.aadiam microsoft.addons microsoft.advisor microsoft.alertsmanagement microsoft.analysisservices
    microsoft.apimanagement microsoft.app microsoft.appconfiguration microsoft.appplatform microsoft.attestation
    microsoft.automation microsoft.avs microsoft.azureactivedirectory microsoft.azurearcdata microsoft.azurestack
    microsoft.azurestackhci microsoft.batch microsoft.billing microsoft.blueprint microsoft.botservice microsoft.cache
    microsoft.capacity microsoft.cdn microsoft.certificateregistration microsoft.chaos microsoft.classiccompute
    microsoft.classicnetwork microsoft.classicstorage microsoft.cognitiveservices microsoft.commerce
    microsoft.communication microsoft.compute microsoft.confidentialledger
    microsoft.containerinstance microsoft.containerservice microsoft.costmanagement microsoft.customerinsights
    microsoft.databox microsoft.databoxedge microsoft.databricks microsoft.datacatalog microsoft.datafactory
    microsoft.datalakeanalytics microsoft.datalakestore microsoft.datamigration microsoft.dataprotection
    microsoft.datashare microsoft.dbformariadb microsoft.dbformysql microsoft.dbforpostgresql
    microsoft.desktopvirtualization microsoft.devcenter microsoft.devices microsoft.devopsinfrastructure
    microsoft.devtestlab microsoft.digitaltwins microsoft.documentdb microsoft.domainregistration microsoft.edgeorder
    microsoft.elasticsan microsoft.eventgrid microsoft.eventhub microsoft.extendedlocation microsoft.fabric
    microsoft.features microsoft.guestconfiguration microsoft.hdinsight microsoft.healthcareapis microsoft.hybridcompute
    microsoft.hybridconnectivity microsoft.hybridkubernetes microsoft.importexport microsoft.iotcentral
    microsoft.kubernetes microsoft.kubernetesconfiguration microsoft.kusto microsoft.labservices microsoft.loadtestservice
    microsoft.logic microsoft.machinelearning microsoft.maintenance microsoft.managedservices microsoft.management
    microsoft.maps microsoft.marketplace microsoft.marketplaceordering microsoft.media microsoft.migrate microsoft.monitor
    microsoft.netapp microsoft.notificationhubs microsoft.offazure microsoft.operationsmanagement microsoft.orbital
    microsoft.peering microsoft.policyinsights microsoft.portal microsoft.powerbi microsoft.powerbidedicated
    microsoft.powerplatform microsoft.purview microsoft.quantum microsoft.quota microsoft.recoveryservices
    microsoft.redhatopenshift microsoft.relay microsoft.resourcegraph microsoft.resourcehealth microsoft.search
    microsoft.security microsoft.securityinsights microsoft.serialconsole microsoft.servicebus microsoft.servicefabric
    microsoft.servicelinker microsoft.signalrservice microsoft.solutions microsoft.sql microsoft.sqlvirtualmachine
    microsoft.storagecache microsoft.storagemover microsoft.storagesync microsoft.streamanalytics microsoft.subscription
    microsoft.support microsoft.synapse microsoft.timeseriesinsights microsoft.videoindexer microsoft.virtualmachineimages
    microsoft.visualstudio microsoft.voiceservices microsoft.web microsoft.workloads
    """.split())


def known_types(namespace: str) -> frozenset[str] | None:
    """The types of a namespace; empty for one whose types are not listed here, ``None`` for one that Azure does not have."""
    name = namespace.lower()
    return TYPES.get(name, frozenset() if name in OTHER_NAMESPACES else None)
