# fix: from here
import uvicorn

uvicorn.run("app:app", timeout_keep_alive=1)
# fix: to here
