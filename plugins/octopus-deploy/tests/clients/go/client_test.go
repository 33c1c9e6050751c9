// Package clients holds tests that use Octopus's official Go client, unmodified, against a sandbox.
//
// They need OCTOPUS_URL, OCTOPUS_APIKEY and OCTOPUS_READ_ONLY_APIKEY, the address and the keys of a
// sandbox with the default seed. go_client.py, in the folder above, starts one and runs them.
package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/client"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/core"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/libraryvariablesets"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/spaces"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/variables"
	"github.com/stretchr/testify/require"
)

const (
	space      = "Spaces-1"
	billing    = "Projects-2"
	inventory  = "Projects-3"
	shop       = "Projects-1"
	production = "Environments-2"
	staleText  = "another user has made changes to the variables"
)

func connectAs(t *testing.T, key string, spaceID string) (*client.Client, error) {
	t.Helper()
	address, err := url.Parse(os.Getenv("OCTOPUS_URL"))
	require.NoError(t, err)
	return client.NewClient(nil, address, key, spaceID)
}

func connect(t *testing.T) *client.Client {
	t.Helper()
	octopus, err := connectAs(t, os.Getenv("OCTOPUS_APIKEY"), "")
	require.NoError(t, err)
	return octopus
}

// addLibrarySet adds a library variable set that the test has for itself.
func addLibrarySet(t *testing.T, octopus *client.Client) string {
	t.Helper()
	wanted := variables.NewLibraryVariableSet(t.Name())
	added, err := libraryvariablesets.Add(octopus, wanted)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, libraryvariablesets.DeleteByID(octopus, space, added.ID))
	})
	return added.ID
}

func sensitive(name string, value string) *variables.Variable {
	variable := variables.NewVariable(name)
	variable.Type = "Sensitive"
	variable.IsSensitive = true
	variable.Value = value
	return variable
}

// stored returns, by name, the values that a deployment would see; Octopus itself never shows them.
func stored(t *testing.T, ownerID string) map[string]string {
	t.Helper()
	address := os.Getenv("OCTOPUS_URL") + "/sandbox/variablesets/variableset-" + ownerID
	request, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(t, err)
	request.Header.Set("X-Octopus-ApiKey", os.Getenv("OCTOPUS_APIKEY"))
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	var set variables.VariableSet
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&set))
	values := map[string]string{}
	for _, variable := range set.Variables {
		values[variable.Name] = variable.Value
	}
	return values
}

func named(t *testing.T, set variables.VariableSet, name string) *variables.Variable {
	t.Helper()
	for _, variable := range set.Variables {
		if variable.Name == name {
			return variable
		}
	}
	require.Fail(t, "no variable "+name)
	return nil
}

// refusal returns what the client understood of an answer that refuses a request.
func refusal(t *testing.T, err error) *core.APIError {
	t.Helper()
	var refused *core.APIError
	require.True(t, errors.As(err, &refused), "not an answer of the server: %v", err)
	return refused
}

func TestConnect(t *testing.T) {
	require.Equal(t, space, connect(t).GetSpaceID())
	octopus, err := connectAs(t, os.Getenv("OCTOPUS_APIKEY"), "Spaces-2")
	require.NoError(t, err)
	require.Equal(t, "Spaces-2", octopus.GetSpaceID())
	_, err = connectAs(t, os.Getenv("OCTOPUS_APIKEY"), "Spaces-999")
	require.Error(t, err)
	_, err = connectAs(t, "API-UNKNOWN", "")
	require.Equal(t, http.StatusUnauthorized, refusal(t, err).StatusCode)
	require.Contains(t, err.Error(), "The API key you provided was not valid.")
}

func TestSpaces(t *testing.T) {
	octopus := connect(t)
	all, err := spaces.GetAll(octopus)
	require.NoError(t, err)
	require.Equal(t, []string{"Default", "Platform"}, []string{all[0].Name, all[1].Name})
	page, err := spaces.Get(octopus, spaces.SpacesQuery{PartialName: "plat", Take: 5})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "Spaces-2", page.Items[0].ID)
	first, err := spaces.GetDefaultSpace(octopus)
	require.NoError(t, err)
	require.Equal(t, "default", first.Slug)
}

func TestProjects(t *testing.T) {
	octopus := connect(t)
	all, err := projects.GetAll(octopus, space)
	require.NoError(t, err)
	require.Len(t, all, 3)
	byName, err := projects.GetByName(octopus, space, "web shop")
	require.NoError(t, err)
	require.Equal(t, shop, byName.ID)
	bySlug, err := projects.GetByID(octopus, space, "web-shop")
	require.NoError(t, err)
	require.Equal(t, "variableset-"+shop, bySlug.VariableSetID)
	require.Equal(t, projects.PersistenceSettingsTypeDatabase, bySlug.PersistenceSettings.Type())
	inGit, err := projects.GetByID(octopus, space, inventory)
	require.NoError(t, err)
	require.True(t, inGit.IsVersionControlled)
	settings, ok := inGit.PersistenceSettings.(projects.GitPersistenceSettings)
	require.True(t, ok)
	require.Equal(t, "main", settings.DefaultBranch())
	require.True(t, settings.VariablesAreInGit())
	channels, err := octopus.Projects.GetChannels(bySlug)
	require.NoError(t, err)
	require.Len(t, channels, 2)
	summary, err := octopus.Projects.GetSummary(bySlug)
	require.NoError(t, err)
	require.True(t, summary.HasDeploymentProcess && summary.HasRunbooks)
}

func TestPagesAreFollowed(t *testing.T) {
	octopus := connect(t)
	for number := range 70 {
		wanted := variables.NewLibraryVariableSet(fmt.Sprintf("Paged %02d", number))
		added, err := libraryvariablesets.Add(octopus, wanted)
		require.NoError(t, err)
		defer func() {
			require.NoError(t, libraryvariablesets.DeleteByID(octopus, space, added.ID))
		}()
	}
	found, err := octopus.LibraryVariableSets.GetByPartialName("Paged")
	require.NoError(t, err)
	require.Len(t, found, 70)
}

func TestLibraryVariableSets(t *testing.T) {
	octopus := connect(t)
	found, err := libraryvariablesets.Get(octopus, space, variables.LibraryVariablesQuery{
		ContentType: "Variables", PartialName: "shared",
	})
	require.NoError(t, err)
	require.Len(t, found.Items, 1)
	require.Equal(t, "variableset-LibraryVariableSets-1", found.Items[0].VariableSetID)
	set, err := variables.GetAll(octopus, space, found.Items[0].ID)
	require.NoError(t, err)
	require.Equal(t, []string{"Region/EU"}, set.Variables[2].Scope.TenantTags)
	require.Empty(t, set.ScopeValues.Actions)
	require.Empty(t, set.ScopeValues.Channels)
	require.Empty(t, set.ScopeValues.Processes)
	require.Len(t, set.ScopeValues.Environments, 3)
	require.Equal(t, "Region/EU", set.ScopeValues.TenantTags[0].ID)
	require.Equal(t, "EU", set.ScopeValues.TenantTags[0].Name)
}

func TestVariablesAreAddedUpdatedAndDeleted(t *testing.T) {
	octopus := connect(t)
	owner := addLibrarySet(t, octopus)
	set, err := variables.AddSingle(octopus, space, owner, variables.NewVariable("First"))
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Version)
	set, err = variables.AddSingle(octopus, space, owner, variables.NewVariable("Second"))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Version)
	second := named(t, set, "Second")
	require.NotEmpty(t, second.ID)
	second.Value = "line one\r\nline two \u00fc \U0001f419 "
	second.Description = "changed"
	set, err = variables.UpdateSingle(octopus, space, owner, second)
	require.NoError(t, err)
	read, err := variables.GetByID(octopus, space, owner, second.ID)
	require.NoError(t, err)
	require.Equal(t, second.Value, read.Value)
	require.Equal(t, "changed", read.Description)
	set, err = variables.DeleteSingle(octopus, space, owner, named(t, set, "First").ID)
	require.NoError(t, err)
	require.Len(t, set.Variables, 1)
	require.EqualValues(t, 4, set.Version)
	_, err = variables.DeleteSingle(octopus, space, owner, "absent")
	require.Equal(t, http.StatusNotFound, refusal(t, err).StatusCode)
}

func TestSensitiveValues(t *testing.T) {
	octopus := connect(t)
	owner := addLibrarySet(t, octopus)
	set, err := variables.AddSingle(octopus, space, owner, sensitive("Secret", "hunter2"))
	require.NoError(t, err)
	secret := named(t, set, "Secret")
	require.True(t, secret.IsSensitive)
	require.Empty(t, secret.Value)
	require.Equal(t, "hunter2", stored(t, owner)["Secret"])

	// The client sends "" for each secret that it does not change: these keep what is stored.
	_, err = variables.AddSingle(octopus, space, owner, variables.NewVariable("Plain"))
	require.NoError(t, err)
	secret.Description = "renamed"
	_, err = variables.UpdateSingle(octopus, space, owner, secret)
	require.NoError(t, err)
	require.Equal(t, "hunter2", stored(t, owner)["Secret"])

	secret.Value = "changed"
	_, err = variables.UpdateSingle(octopus, space, owner, secret)
	require.NoError(t, err)
	require.Equal(t, "changed", stored(t, owner)["Secret"])

	// Without its id the row is a new one, and without a value an empty one.
	secret.ID, secret.Value = "", ""
	set, err = variables.GetAll(octopus, space, owner)
	require.NoError(t, err)
	set.Variables = []*variables.Variable{secret}
	_, err = variables.Update(octopus, space, owner, set)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Secret": ""}, stored(t, owner))
}

func TestScopes(t *testing.T) {
	octopus := connect(t)
	before, err := variables.GetAll(octopus, space, billing)
	require.NoError(t, err)
	scoped := variables.NewVariable("Scoped")
	scoped.Scope = variables.VariableScope{
		Environments:  []string{production},
		Roles:         []string{"web-server"},
		Machines:      []string{"Machines-2"},
		TenantTags:    []string{"Region/US"},
		Channels:      []string{before.ScopeValues.Channels[0].ID},
		ProcessOwners: []string{billing},
	}
	set, err := variables.AddSingle(octopus, space, billing, scoped)
	require.NoError(t, err)
	added := named(t, set, "Scoped")
	require.Equal(t, scoped.Scope, added.Scope)
	matching, err := variables.GetByName(octopus, space, billing, "scoped", &scoped.Scope)
	require.NoError(t, err)
	require.Len(t, matching, 1)
	set, err = variables.DeleteSingle(octopus, space, billing, added.ID)
	require.NoError(t, err)
	require.Len(t, set.Variables, len(before.Variables))
	require.Equal(t, before.ScopeValues, set.ScopeValues)
}

func TestScopesOfProjectsAreRefusedInLibrarySets(t *testing.T) {
	octopus := connect(t)
	owner := addLibrarySet(t, octopus)
	scoped := variables.NewVariable("Scoped")
	scoped.Scope = variables.VariableScope{Channels: []string{"Channels-1"}}
	_, err := variables.AddSingle(octopus, space, owner, scoped)
	refused := refusal(t, err)
	require.Equal(t, http.StatusBadRequest, refused.StatusCode)
	require.Equal(t, "Variable validation failed.", refused.ErrorMessage)
	require.Len(t, refused.Errors, 1)
}

func TestAStaleVersionIsRefused(t *testing.T) {
	octopus := connect(t)
	owner := addLibrarySet(t, octopus)
	stale, err := variables.GetAll(octopus, space, owner)
	require.NoError(t, err)
	_, err = variables.AddSingle(octopus, space, owner, sensitive("Mine", "kept"))
	require.NoError(t, err)
	stale.Variables = append(stale.Variables, variables.NewVariable("Late"))
	_, err = variables.Update(octopus, space, owner, stale)
	refused := refusal(t, err)
	require.Equal(t, http.StatusBadRequest, refused.StatusCode)
	require.Contains(t, refused.ErrorMessage, staleText)
	require.Equal(t, map[string]string{"Mine": "kept"}, stored(t, owner))
}

func TestErrorsAreUnderstood(t *testing.T) {
	octopus := connect(t)
	_, err := projects.GetByID(octopus, space, "Projects-999")
	refused := refusal(t, err)
	require.Equal(t, http.StatusNotFound, refused.StatusCode)
	require.Equal(t, "The resource 'Projects-999' was not found.", refused.ErrorMessage)

	// The client's older half tells a 404 by the absence of `Errors`.
	_, err = octopus.Projects.GetByID("Projects-999")
	require.Equal(t, http.StatusNotFound, refusal(t, err).StatusCode)

	withoutType := variables.NewVariable("Untyped")
	withoutType.Name = ""
	_, err = variables.AddSingle(octopus, space, billing, withoutType)
	refused = refusal(t, err)
	require.Equal(t, http.StatusBadRequest, refused.StatusCode)
	require.Equal(t, []string{"A variable must have a name."}, refused.Errors)
}

func TestAReadOnlyKeyIsRefused(t *testing.T) {
	reader, err := connectAs(t, os.Getenv("OCTOPUS_READ_ONLY_APIKEY"), space)
	require.NoError(t, err)
	_, err = variables.GetAll(reader, space, billing)
	require.NoError(t, err)
	_, err = variables.AddSingle(reader, space, billing, variables.NewVariable("Any"))
	refused := refusal(t, err)
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	require.True(t, strings.HasSuffix(refused.ErrorMessage, "Missing permission: VariableEdit"))
	_, err = libraryvariablesets.Add(reader, variables.NewLibraryVariableSet("Any"))
	require.Contains(t, refusal(t, err).ErrorMessage, "Missing permission: LibraryVariableSetCreate")
}

func TestVariablesInGit(t *testing.T) {
	octopus := connect(t)
	for _, gitRef := range []string{"main", "refs/heads/main"} {
		set, err := octopus.ProjectVariables.GetAllByGitRef(space, inventory, gitRef)
		require.NoError(t, err)
		require.Equal(t, "https://inventory.example.com", set.Variables[0].Value)
	}
	added := variables.NewVariable("Inventory.Added")
	set, err := octopus.ProjectVariables.AddSingleByGitRef(space, inventory, "main", added)
	require.NoError(t, err)
	require.NotNil(t, named(t, *set, "Inventory.Added"))
	inDatabase, err := variables.GetAll(octopus, space, inventory)
	require.NoError(t, err)
	require.Len(t, inDatabase.Variables, 1)
	require.Equal(t, "Inventory.ApiToken", inDatabase.Variables[0].Name)
	_, err = octopus.ProjectVariables.GetAllByGitRef(space, inventory, "absent")
	require.Equal(t, http.StatusNotFound, refusal(t, err).StatusCode)
}
