// Works with an Octopus server through Octopus's official client, and prints what it saw as JSON:
//
//   OCTOPUS_API_KEY=API-... OCTOPUS_READ_ONLY_API_KEY=API-... OCTOPUS_ACCESS_TOKEN=... \
//     node client.mjs http://127.0.0.1:8066 "Billing API"
//
// The client has no repository for variables: `request` and `doUpdate` are its own way out.

import {
  Client,
  EnvironmentRepository,
  LifecycleRepository,
  ProjectGroupRepository,
  ProjectRepository,
  SpaceRepository,
  TagSetRepository,
} from "@octopusdeploy/api-client";

const [instanceURL, projectName] = process.argv.slice(2);
const {
  OCTOPUS_API_KEY: apiKey,
  OCTOPUS_READ_ONLY_API_KEY: readOnlyKey,
  OCTOPUS_ACCESS_TOKEN: accessToken,
} = process.env;
const spaceName = "Default";
const variablesPath = "~/api/{spaceId}/projects/{projectId}/variables";
const setPath = "~/api/{spaceId}/variables/{variableSetId}";

const connect = (credentials) =>
  Client.create({ userAgentApp: "secretsync-tests", instanceURL, ...credentials });

/** Returns what the client makes of a refusal. */
async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return {
      kind: error.constructor.name,
      status: error.StatusCode,
      message: error.message,
      errorMessage: error.ErrorMessage,
    };
  }
  throw new Error("it was not refused");
}

const names = (items) => items.map(({ Name }) => Name);

const client = await connect({ apiKey });
const summary = { server: await client.getServerInformation() };

const spaces = await new SpaceRepository(client).list({ take: 1 });
summary.spaces = {
  total: spaces.TotalResults,
  names: names(spaces.Items),
  next: spaces.Links["Page.Next"],
};
summary.space = await new SpaceRepository(client).get("Spaces-1");

const projects = new ProjectRepository(client, spaceName);
summary.projects = names((await projects.list()).Items);
summary.page = names((await projects.list({ skip: 1, take: 1 })).Items);
const found = await projects.list({ partialName: projectName });
const project = found.Items.find(({ Name }) => Name === projectName);
summary.project = await projects.get(project.Slug);
summary.environments = names((await new EnvironmentRepository(client, spaceName).list()).Items);
summary.tagSets = (await new TagSetRepository(client, spaceName).list()).Items;

const place = { spaceName, projectId: project.Id };
const read = () => client.request(variablesPath, place);
const write = (set) => client.doUpdate(variablesPath, set, place);
const before = await read();
const secret = { Name: "Shop.Token", Value: "hunter2", Type: "Sensitive", IsSensitive: true };
const plain = {
  Name: "Shop.Title",
  Value: "Grüße",
  Type: "String",
  Scope: { Environment: ["Environments-1"] },
};
summary.putAnswer = await write({ ...before, Variables: [...before.Variables, secret, plain] });
summary.read = await read();

// A stored secret is kept when it is sent back as it was read.
const edited = await read();
edited.Variables.find(({ Name }) => Name === plain.Name).Value = "Servus";
await write(edited);
summary.edited = await read();

const setPlace = { spaceName, variableSetId: project.VariableSetId };
const byId = await client.request(setPath, setPlace);
summary.byId = { Version: byId.Version, Variables: byId.Variables };
summary.setAnswer = await client.doUpdate(setPath, byId, setPlace);

const [group] = (await new ProjectGroupRepository(client, spaceName).list()).Items;
const [lifecycle] = (await new LifecycleRepository(client, spaceName).list()).Items;
const added = await projects.create({
  Name: "Node Shop",
  ProjectGroupId: group.Id,
  LifecycleId: lifecycle.Id,
});
summary.added = { Name: added.Name, Slug: added.Slug };
const renamed = await projects.modify({ ...added, Description: "made by the client" });
summary.described = (await projects.get(renamed.Id)).Description;
await projects.del(renamed);

summary.refusals = {
  deleted: await refusal(() => projects.get(added.Slug)),
  nameInUse: await refusal(() => projects.create({ ...added, Id: null, Name: projectName })),
  stale: await refusal(() => write(before)),
  duplicateIds: await refusal(async () => {
    const set = await read();
    await write({ ...set, Variables: [...set.Variables, ...set.Variables] });
  }),
  missingProject: await refusal(() => projects.get("Projects-999")),
  missingSpace: await refusal(() => new ProjectRepository(client, "Nowhere").list()),
  badKey: await refusal(async () => {
    const stranger = await connect({ apiKey: "API-UNKNOWN" });
    await stranger.request(variablesPath, place);
  }),
  noKey: await refusal(async () => {
    const stranger = await connect({});
    await stranger.request(variablesPath, place);
  }),
  readOnly: await refusal(async () => {
    const reader = await connect({ apiKey: readOnlyKey });
    const set = await reader.request(variablesPath, place);
    await reader.doUpdate(variablesPath, set, place);
  }),
};

const account = await connect({ accessToken });
summary.accountVersion = (await account.request(variablesPath, place)).Version;
summary.refusals.badToken = await refusal(async () => {
  const stranger = await connect({ accessToken: "unknown" });
  await stranger.request(variablesPath, place);
});

// As often as the server fails, and once more.
summary.failures = [];
for (let calls = 0; !summary.user && calls < 20; calls += 1) {
  try {
    summary.user = await client.get("~/api/users/me");
  } catch (error) {
    summary.failures.push([error.StatusCode ?? error.code, error.message]);
  }
}

console.log(JSON.stringify(summary));
