"""Puts our presets (`conf/`) at the end of Hydra's search path, where the app's own files win over them."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from hyperherd.paths import conf_dir


class HerdSearchPathPlugin(SearchPathPlugin):
    """Appends the folder of our configs; it holds `hydra/...` groups only, so no app's own help shows them."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append our configs."""
        search_path.append(provider="hydra-hyperherd", path=f"file://{conf_dir()}")
