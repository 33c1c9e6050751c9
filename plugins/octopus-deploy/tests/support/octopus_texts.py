"""What Octopus says of failures, as it is documented and was reported."""

DENIED = (
    "You do not have permission to perform this action. Please contact your Octopus administrator."
    " Missing permission: VariableEditUnscoped"
)
STALE = (
    "Changes to these variables could not be saved, because another user has made changes to the"
    " variables between when you started editing and when you saved your changes. Please reload or"
    " open a new tab to make your changes."
)
STALE_SCOPES = (
    "Changes to these variables could not be saved, because your available environment scopes"
    " changed while you were editing the variables"
)
STALE_DATA = (
    "Changes could not be saved because submitted data was out of date. Refresh the document and"
    " try again."
)
BAD_KEY = (
    "The API key you provided was not valid. Please double-check your API key and try again."
    " For instructions on finding your API key, please visit: https://oc.to/ApiKey"
)
LOGGED_OUT = (
    "You must be logged in to perform this action. Please provide a valid API key or log in again."
)
FROZEN = "You cannot modify this variable set because the set is frozen. It belongs to a snapshot."
