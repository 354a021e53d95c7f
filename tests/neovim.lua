-- Neovim with nothing but its own language client: opens a file, waits for the diagnostic, applies the preferred
-- fix, waits until nothing is left, and writes what it saw. Arguments: the server's command, the file, the report.
local command, file, report = vim.env.SERVER, vim.env.FILE, vim.env.REPORT
local seen = {}

local function finish()
  local out = assert(io.open(report, "w"))
  out:write(vim.json.encode(seen))
  out:close()
  vim.cmd("qall!")
end

local function wait(what, condition)
  if not vim.wait(30000, condition, 20) then
    seen.failed = what
    finish()
  end
end

vim.cmd("edit " .. file)
vim.bo.filetype = "python"
local client = vim.lsp.start_client({
  name = "tflint-nan",
  cmd = vim.split(command, "\n"),
  root_dir = vim.fn.fnamemodify(file, ":h"),
})
vim.lsp.buf_attach_client(0, client)

wait("a diagnostic", function()
  return #vim.diagnostic.get(0) > 0
end)
for _, diagnostic in ipairs(vim.diagnostic.get(0)) do
  table.insert(seen, {
    code = diagnostic.code or diagnostic.user_data.lsp.code,
    row = diagnostic.lnum + 1,
    source = diagnostic.source,
  })
end

vim.api.nvim_win_set_cursor(0, { seen[1].row, vim.diagnostic.get(0)[1].col })
local params = vim.lsp.util.make_range_params()
params.context = { diagnostics = vim.lsp.diagnostic.get_line_diagnostics(), only = { "quickfix" } }
local answers = vim.lsp.buf_request_sync(0, "textDocument/codeAction", params, 30000)
for id, answer in pairs(answers or {}) do
  for _, action in ipairs(answer.result or {}) do
    if action.isPreferred then
      seen.applied = action.title
      vim.lsp.util.apply_workspace_edit(action.edit, vim.lsp.get_client_by_id(id).offset_encoding)
      break
    end
  end
end
wait("no diagnostic", function()
  return #vim.diagnostic.get(0) == 0
end)
vim.cmd("write")
vim.lsp.stop_client(client)
finish()
